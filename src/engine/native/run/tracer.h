// Time by kind of operation and by width, recorded only on request.
#pragma once
#include <chrono>
#include <cstdint>

#include "../../../native/inline.h"
#include "../graph/graph.h"

namespace bimlp {

// Kinds of work in a profile: those of fused instructions, then the plain steps by their operation.
enum class OpKind { kSums, kBits, kGathers, kDense, kLocal, kWindows, kWaves, kConvolutions, kPools, kPlain };
constexpr int kFusedKinds = static_cast<int>(OpKind::kPlain), kOpKinds = kFusedKinds + static_cast<int>(kOps);
constexpr const char *kFusedKindNames[kFusedKinds] = {
    "sums",           "bits",  "gathers",        "binary 1x1", "binary 7x1 and 1x7",
    "binary windows", "waves", "full precision", "pools"};
inline OpKind plain_kind(Op op) { return static_cast<OpKind>(kFusedKinds + static_cast<int>(op) - 1); }

// Blocks of kLanes output channels of the widest operations that a profile tells apart.
constexpr int kProfileBlocks = 256;

// Seconds by kind of operation and by its blocks of output channels, 0 for those of plain steps and means.
class Profile {
 public:
  // Begins an operation. The time since the last call belongs to the operation of that call.
  void enter(OpKind kind, int blocks = 0);
  void leave() {
    enter(OpKind::kPlain);
    started_ = false;
  }

  double seconds[kOpKinds][kProfileBlocks + 1] = {};

 private:
  std::chrono::steady_clock::time_point last_;
  OpKind kind_ = OpKind::kPlain;
  int blocks_ = 0;
  bool started_ = false;
};

// Observer of a run. The default observes nothing.
struct Tracer {
  Profile *profile = nullptr;

  BIMLP_INLINE void enter(OpKind kind, int blocks = 0) const {
    if (profile) profile->enter(kind, blocks);
  }
};

}  // namespace bimlp
