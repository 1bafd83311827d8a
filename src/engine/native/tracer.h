// Time by kind of operation, and the bits of binary layers; recorded only on request.
#pragma once
#include <chrono>
#include <cstdint>

#include "../../native/inline.h"

namespace bimlp {

// Kinds of operation in a profile.
enum class OpKind {
  kStem,
  kNorms,
  kSigns,
  kChannelFC,
  kWave,
  kLocalFC,
  kReweight,
  kMerges,
  kDownsampleFC,
  kPools,
  kHead
};
constexpr int kOpKinds = 11;
constexpr const char *kOpKindNames[kOpKinds] = {"stem",      "norms and gathers", "signs",  "channel FCs",      "waves",
                                                "local FCs", "reweight",          "merges", "downsampling FCs", "pools",
                                                "head"};

// Seconds by kind of operation.
class Profile {
 public:
  // Begins an operation. The time since the last call belongs to the operation of that call.
  void enter(OpKind work);
  void leave() {
    enter(OpKind::kHead);
    started_ = false;
  }

  double seconds[kOpKinds] = {};

 private:
  std::chrono::steady_clock::time_point last_;
  OpKind work_ = OpKind::kHead;
  bool started_ = false;
};

// Observer of a run. The default observes nothing.
struct Tracer {
  Profile *profile = nullptr;
  // Gets the bits that a layer reads, `count` tokens from `token` on. For a wave, `bits` has the even channels and
  // `odd` the odd ones.
  void (*trace)(void *user, int layer, int token, int count, const uint32_t *bits, const uint32_t *odd) = nullptr;
  void *user = nullptr;

  BIMLP_INLINE void enter(OpKind work) const {
    if (profile) profile->enter(work);
  }
  BIMLP_INLINE void tokens(int layer, int token, int count, const uint32_t *bits) const {
    if (trace) trace(user, layer, token, count, bits, nullptr);
  }
};

}  // namespace bimlp
