// A network made ready for one instruction set, and one image's way through it.
#pragma once
#include <memory>

#include "kernels.h"
#include "memory.h"
#include "channel_order.h"
#include "packed.h"
#include "../../native/threads.h"

namespace bimlp {

struct Network {
  Description description;
  const Kernels *kernels;
  FullFC stem;
  std::vector<Stage> stages;
  std::vector<FullFC> downsamples;
  Head head;
  std::vector<std::vector<ChannelOrder>> layers;  // of the binary ones: what they read, one ChannelOrder per input of a group
  Memory memory;
};

// Copies everything it needs from the packed network. Throws Error for an instruction set that is not there.
std::unique_ptr<Network> prepare(const Packed &packed, const Kernels *kernels);

// Maps and scratch for one image at a time and `threads` threads.
struct Workspace {
  Workspace(const Network &network, int threads);

  float *image;  // normalised, channels last, with the stem's zero margin
  float *x, *next, *logits, *mean, *row_sums, *branch_weights, *normed;
  std::vector<float *> branches;
  std::vector<std::vector<uint8_t *>> planes;  // per stage
  std::vector<Scratch> scratch;                // per thread
  Memory memory;
};

// Where an image's rows begin in workspace.image, and their length in numbers.
struct ImageLayout {
  explicit ImageLayout(const Description &d)
      : margin(d.stem_padding), row((d.image_size + 2 * d.stem_padding) * 3), begin(margin * row + margin * 3) {}
  size_t margin, row, begin;
};

// workspace.image -> workspace.logits
void run_image(const Network &network, Workspace &workspace, ThreadPool &threads, const Tracer &tracer);

}  // namespace bimlp
