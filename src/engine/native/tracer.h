// Where the time goes, by kind of work; measured only for those who ask.
#pragma once
#include <chrono>
#include <cstdint>

#include "../../native/inline.h"

namespace bimlp {

enum class OpKind { kStem, kNorms, kSigns, kChannelFC, kWave, kLocalFC, kReweight, kMerges, kDownsampleFC, kPools, kHead };
constexpr int kOpKinds = 11;
constexpr const char *kOpKindNames[kOpKinds] = {"stem",     "norms and gathers", "signs",           "channel FCs", "waves", "local FCs",
                                                  "reweight", "merges",            "downsampling FCs", "pools",       "head"};

class Profile {
 public:
  // Charges the time since the last call to the work of then.
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

// What may tracer a run: nobody, as a rule.
struct Tracer {
  Profile *profile = nullptr;
  // bits of `count` tokens from `token` on that a layer reads; of a wave `bits` are those of the even channels, `odd` those of
  // the odd ones
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
