// Network in the form that the kernels of one instruction set read, and its run on one image.
#pragma once
#include <memory>

#include "../../native/threads.h"
#include "channel_order.h"
#include "kernels.h"
#include "memory.h"
#include "packed.h"

namespace bimlp {

struct Network {
  Description description;
  const Kernels *kernels;
  FullFC stem;
  std::vector<Stage> stages;
  std::vector<FullFC> downsamples;
  Head head;
  std::vector<std::vector<ChannelOrder>>
      layers;  // inputs of each binary layer: a ChannelOrder for each input of a group
  Memory memory;
};

// Network from a packed one, which it does not refer to afterwards.
std::unique_ptr<Network> prepare(const Packed &packed, const Kernels *kernels);

// Maps and scratch memory of one image and `threads` threads.
struct Workspace {
  Workspace(const Network &network, int threads);

  float *image;  // normalised, channels last, with the stem's zero margin
  float *x, *next, *logits, *mean, *row_sums, *branch_weights, *normed;
  std::vector<float *> branches;
  std::vector<std::vector<uint8_t *>> planes;  // per stage
  std::vector<Scratch> scratch;                // per thread
  Memory memory;
};

// Layout of workspace.image: the index of the first row's first number, and the numbers of a row.
struct ImageLayout {
  explicit ImageLayout(const Description &d)
      : margin(d.stem_padding), row((d.image_size + 2 * d.stem_padding) * 3), begin(margin * row + margin * 3) {}
  size_t margin, row, begin;
};

// Logits of workspace.image, into workspace.logits.
void run_image(const Network &network, Workspace &workspace, ThreadPool &threads, const Tracer &tracer);

}  // namespace bimlp
