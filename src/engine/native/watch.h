// Where the time goes, by kind of work; measured only for those who ask.
#pragma once
#include <chrono>
#include <cstdint>

#include "../../native/inline.h"

namespace bimlp {

enum class Work { kStem, kNorms, kSigns, kChannelFC, kWave, kLocalFC, kReweight, kMerges, kDownsampleFC, kPools, kHead };
constexpr int kKindsOfWork = 11;
constexpr const char *kWorkNames[kKindsOfWork] = {"stem",     "norms and gathers", "signs",           "channel FCs", "waves", "local FCs",
                                                  "reweight", "merges",            "downsampling FCs", "pools",       "head"};

class Profile {
 public:
  // Charges the time since the last call to the work of then.
  void enter(Work work);
  void leave() {
    enter(Work::kHead);
    started_ = false;
  }

  double seconds[kKindsOfWork] = {};

 private:
  std::chrono::steady_clock::time_point last_;
  Work work_ = Work::kHead;
  bool started_ = false;
};

// What may watch a run: nobody, as a rule.
struct Watch {
  Profile *profile = nullptr;
  // bits of `count` tokens from `token` on that a layer reads; of a wave `bits` are those of the even channels, `odd` those of
  // the odd ones
  void (*trace)(void *user, int layer, int token, int count, const uint32_t *bits, const uint32_t *odd) = nullptr;
  void *user = nullptr;

  BIMLP_INLINE void enter(Work work) const {
    if (profile) profile->enter(work);
  }
  BIMLP_INLINE void tokens(int layer, int token, int count, const uint32_t *bits) const {
    if (trace) trace(user, layer, token, count, bits, nullptr);
  }
};

}  // namespace bimlp
