#include "network.h"

#include <algorithm>

namespace bimlp {
namespace {

// Slots of a stage's maps.
int slots_of(const Stage &stage) { return kLanes * stage.blocks_of_channels; }

// Sweep over bands of rows: first(thread, y, count) for a band, then(thread, y) for every row whose neighbours are
// done. Each thread sweeps its share of the rows while its last band is still in the cache. Rows at the borders of
// shares follow when all threads are done.
template <class First, class Then>
void sweep(ThreadPool &threads, int rows, int band, First first, Then then) {
  // one row more than the taps reach: kernels read whole registers, whose ends lie in the next row
  const auto complete = [&](int y, int begin, int end) {
    return std::max(y - kMargin, 0) >= begin && std::min(y + kMargin + 1, rows - 1) < end;
  };
  threads.each_thread([&](int thread) {
    const int begin = threads.begin(rows, thread), end = threads.begin(rows, thread + 1);
    int next = begin;
    for (int y = begin; y < end; y += band) {
      const int done = std::min(y + band, end);
      first(thread, y, done - y);
      for (; next < done && (next + kMargin + 1 < done || done == rows); ++next) {
        if (complete(next, begin, done)) then(thread, next);
      }
    }
  });
  if (threads.size() == 1) return;
  threads.each_thread([&](int thread) {
    const int begin = threads.begin(rows, thread), end = threads.begin(rows, thread + 1);
    for (int y = begin; y < end; ++y) {
      if (!complete(y, begin, end)) then(thread, y);
    }
  });
}

// row(thread, y) for every row.
template <class Row>
void each_row(ThreadPool &threads, int rows, Row row) {
  threads.each_thread([&](int thread) {
    for (int y = threads.begin(rows, thread); y < threads.begin(rows, thread + 1); ++y) row(thread, y);
  });
}

// Sum of the rows over `count`, into mean.
void mean_of_rows(const float *row_sums, int rows, int slots, int count, float *mean) {
  std::fill(mean, mean + slots, 0.0f);
  for (int y = 0; y < rows; ++y) {
    for (int i = 0; i < slots; ++i) mean[i] += row_sums[y * slots + i];
  }
  for (int i = 0; i < slots; ++i) mean[i] *= 1.0f / static_cast<float>(count);
}

void run_stage(const Network &network, const Stage &stage, size_t index, Workspace &w, ThreadPool &threads,
               const Tracer &tracer) {
  const Kernels &k = *network.kernels;
  const int size = stage.size, band = (tile_of(slots_of(stage)) + size - 1) / size;
  for (const Block &block : stage.blocks) {
    const int branches = static_cast<int>(block.spatial1.size() + block.channel1.size());
    const BlockPass pass = {&stage,     &block,           branches, w.x, w.branches.data(), w.planes[index].data(),
                            w.row_sums, w.branch_weights, tracer};
    sweep(
        threads, size, band, [&](int t, int y, int n) { k.branch(pass, w.scratch[t], y * size, n * size); },
        [&](int t, int y) { k.mix_row(pass, w.scratch[t], y); });
    mean_of_rows(w.row_sums, size, slots_of(stage), size * size, w.mean);
    k.reweight(pass, w.scratch[0], w.mean, w.branch_weights);
    sweep(
        threads, size, band, [&](int t, int y, int n) { k.project(pass, w.scratch[t], y * size, n * size); },
        [&](int t, int y) { k.merge_row(pass, w.scratch[t], y); });
  }
}

void downsample(const Network &network, const Stage &from, const FullFC &fc, Workspace &w, ThreadPool &threads,
                const Tracer &tracer) {
  const Kernels &k = *network.kernels;
  const int slots = slots_of(from), size = from.size, out = kLanes * fc.blocks;
  tracer.enter(OpKind::kDownsampleFC);
  threads.each_thread([&](int t) {
    const size_t first = threads.begin(size * size, t), last = threads.begin(size * size, t + 1);
    k.full_fc(fc, w.x + first * slots, 0, slots, static_cast<int>(last - first), w.next + first * out);
  });
  const int half = (size + 1) / 2;
  tracer.enter(OpKind::kPools);
  each_row(threads, half, [&](int t, int y) {
    k.pool_row(w.next, size, fc.blocks, y, w.scratch[t].column, w.x + static_cast<size_t>(y) * half * out);
  });
}

}  // namespace

void run_image(const Network &network, Workspace &w, ThreadPool &threads, const Tracer &tracer) {
  const Kernels &k = *network.kernels;
  const Description &d = network.description;
  const ImageLayout layout(d);
  const int size = network.stages[0].size, slots = slots_of(network.stages[0]);
  tracer.enter(OpKind::kStem);
  each_row(threads, size, [&](int, int y) {
    k.full_fc(network.stem, w.image + y * d.stem_stride * layout.row, layout.row, 3 * d.stem_stride, size,
              w.x + static_cast<size_t>(y) * size * slots);
  });
  for (size_t s = 0; s < network.stages.size(); ++s) {
    run_stage(network, network.stages[s], s, w, threads, tracer);
    if (s < network.downsamples.size())
      downsample(network, network.stages[s], network.downsamples[s], w, threads, tracer);
  }
  tracer.enter(OpKind::kHead);
  const Stage &last = network.stages.back();
  const int end = slots_of(last);
  for (int y = 0; y < last.size; ++y) {
    float *sum = w.row_sums + y * end;
    std::fill(sum, sum + end, 0.0f);
    for (int x = 0; x < last.size; ++x) {
      for (int i = 0; i < end; ++i) sum[i] += w.x[(static_cast<size_t>(y) * last.size + x) * end + i];
    }
  }
  mean_of_rows(w.row_sums, last.size, end, last.size * last.size, w.mean);
  k.head(network.head, w.mean, w.normed, w.logits);
  if (tracer.profile) tracer.profile->leave();
}

Workspace::Workspace(const Network &network, int threads) {
  const Description &d = network.description;
  size_t map = 0, wide = 0, row = 0, gathered = 0, column = 0, words = 0, slices = 0, next = 0, rows = 0;
  const size_t branches = std::max(d.branches[0] + d.branches[1], 1u);
  for (size_t s = 0; s < network.stages.size(); ++s) {
    const Stage &stage = network.stages[s];
    const size_t slots = slots_of(stage), size = stage.size, side = size + 2 * kMargin,
                 tile = tile_of(stage.blocks_of_channels * kLanes);
    map = std::max(map, size * size * slots);
    row = std::max(row, size * slots);
    wide = std::max(wide, slots);
    gathered = std::max(
        {gathered, size_t(kLanes) * std::max(stage.halves.blocks, stage.quarters.blocks) * tile, branches * slots});
    words = std::max({words, kRatio * slots / 32 * tile, branches * slots / 32});
    rows = std::max(rows, tile * slots);
    slices = std::max(slices, size * slots / 8);
    planes.emplace_back();
    for (size_t i = 0; i < 2 * std::max(d.branches[0], d.branches[2]); ++i) {
      planes.back().push_back(memory.get<uint8_t>(side * side * slots / 8));
    }
    if (s < network.downsamples.size()) {
      next = std::max(next, size * size * kLanes * network.downsamples[s].blocks);
      column = std::max(column, size * kPools * kLanes);
    }
  }
  const size_t side = d.image_size + 2 * d.stem_padding;
  image = memory.get<float>(side * side * 3);
  x = memory.get<float>(map);
  this->next = memory.get<float>(next);
  logits = memory.get<float>(size_t(kLanes) * network.head.blocks);
  mean = memory.get<float>(wide);
  normed = memory.get<float>(wide);
  row_sums = memory.get<float>(row);
  branch_weights = memory.get<float>(branches * wide);
  for (size_t i = 0; i < branches; ++i) this->branches.push_back(memory.get<float>(map));
  for (int t = 0; t < threads; ++t) {
    Scratch s;
    s.z = memory.get<float>(rows);
    s.gathered = memory.get<float>(gathered);
    s.phase = memory.get<float>(rows);
    s.amplitude = memory.get<float>(rows);
    s.column = memory.get<float>(column);
    s.bits = memory.get<uint32_t>(words);
    s.hidden_bits = memory.get<uint32_t>(words);
    for (auto &slice : s.slices) slice = memory.get<uint8_t>(slices);
    s.counts = memory.get<uint8_t>(8 * slices);
    scratch.push_back(s);
  }
}

}  // namespace bimlp
