// Passes over one image, written once for every instruction set.
//
// V is an instruction set: types F (16 floats), I (16 counts), B (a register of bits), and operations on them. A pass
// handles some tokens or one row of a channels-last map. Passes of one kind do not depend on each other.
#pragma once
#include "binary_fc.h"
#include "full_precision.h"
#include "local_fc.h"
#include "row_ops.h"
#include "transcendental.h"

namespace bimlp {

template <class V>
struct Passes : BinaryFCs<V>, LocalFCs<V>, FullPrecision<V>, RowOps<V>, Transcendental<V> {
  using F = typename V::F;
  using Wave = typename Transcendental<V>::Wave;
  using BinaryFCs<V>::binary_fc, BinaryFCs<V>::pack_signs;
  using Transcendental<V>::exponential, Transcendental<V>::wave;
  using LocalFCs<V>::local_fc;
  using RowOps<V>::affine, RowOps<V>::column_sum, RowOps<V>::fill, RowOps<V>::gather;

  // f(first, tokens) for the tiles of `count` tokens.
  template <class Tile>
  static void in_tiles(int count, int slots, Tile f) {
    const int length = tile_of(slots);
    for (int first = 0; first < count; first += length) f(first, count - first < length ? count - first : length);
  }

  // --- MBB block 1 ---

  // Branches of `count` tokens of z = Norm1(x): the waves and their bits, and the Channel Binary FCs.
  static void branch(const BlockPass &pass, const Scratch &scratch, int first, int count) {
    const Stage &stage = *pass.stage;
    const Block &block = *pass.block;
    const int blocks = stage.blocks_of_channels, slots = kLanes * blocks;
    in_tiles(count, slots, [&](int from, int tokens) {
      const int token = first + from;
      const size_t at = static_cast<size_t>(token) * slots;
      pass.tracer.enter(OpKind::kNorms);
      affine(pass.x + at, tokens, blocks, block.norm1_factor, block.norm1_offset, scratch.z);
      gather(scratch.z, tokens, slots, stage.halves, scratch.gathered);
      for (size_t i = 0; i < block.spatial1.size(); ++i) {
        const SpatialMLP &mlp = block.spatial1[i];
        to_rows(pass, mlp.phase, scratch, token, tokens, scratch.gathered, scratch.phase);
        to_rows(pass, mlp.amplitude, scratch, token, tokens, scratch.gathered, scratch.amplitude);
        pass.tracer.enter(OpKind::kWave);
        waves(mlp.mix, scratch, tokens, stage.padded_index + token, pass.branch[i] + at, pass.planes + 2 * i);
      }
      for (size_t i = 0; i < block.channel1.size(); ++i) {
        to_rows(pass, block.channel1[i], scratch, token, tokens, scratch.z,
                pass.branch[block.spatial1.size() + i] + at);
      }
    });
  }

  // A Channel Binary FC of z, into the rows `out`.
  static void to_rows(const BlockPass &pass, const BinaryFC &layer, const Scratch &scratch, int token, int tokens,
                      const float *source, float *out) {
    pass.tracer.enter(OpKind::kSigns);
    pack_signs(scratch.z, tokens, layer.inputs, layer.threshold, scratch.bits);
    pass.tracer.tokens(layer.index, token, tokens, scratch.bits);
    pass.tracer.enter(OpKind::kChannelFC);
    const int slots = kLanes * layer.blocks;
    binary_fc(layer, scratch.bits, tokens, source, slots,
              [=](int t, int b, F value) { V::store(out + t * slots + kLanes * b, value); });
  }

  // Waves of `tokens` tokens: the shortcut of the local FC, into `mean`, and the bits, into the planes at
  // `padded_index`.
  static void waves(const LocalFC &mix, const Scratch &scratch, int tokens, const int32_t *padded_index, float *mean,
                    uint8_t *const *planes) {
    const int blocks = mix.blocks, pairs = blocks / 2, slots = kLanes * blocks;
    auto *even_bits = reinterpret_cast<uint16_t *>(planes[0]), *odd_bits = reinterpret_cast<uint16_t *>(planes[1]);
    const float *phase = scratch.phase, *amplitude = scratch.amplitude, *evens = mix.threshold[0],
                *odds = mix.threshold[1];
    const F half = V::set(0.5f);
    for (int p = 0; p < pairs; ++p) {
      const auto store_pair = [=](int t, int block, F even, F odd) {
        const int i = padded_index[t] * blocks + block;
        V::store(mean + t * slots + kLanes * block, V::mul(half, V::add(even, odd)));
        V::store_gt_bits(even_bits + i, even, V::load(evens + kLanes * block));
        V::store_gt_bits(odd_bits + i, odd, V::load(odds + kLanes * block));
      };
      for (int t = 0; t < tokens; ++t) {
        const int i = t * slots + 2 * p * kLanes;
        const Wave even = wave(V::load(phase + i), V::load(amplitude + i));
        const Wave odd = wave(V::load(phase + i + kLanes), V::load(amplitude + i + kLanes));
        store_pair(t, p, even.cosine, odd.cosine);
        store_pair(t, p + pairs, even.sine, odd.sine);
      }
    }
  }

  // Passes the bits of row y that a local FC reads to the tracer.
  static void trace_row(const BlockPass &pass, const LocalFC &layer, int y, const uint8_t *const *planes) {
    if (!pass.tracer.trace) return;
    const int size = pass.stage->size;
    const size_t at = ((y + kMargin) * (size + 2 * kMargin) + kMargin) * size_t(2 * layer.blocks);
    pass.tracer.trace(pass.tracer.user, layer.index, y * size, size, reinterpret_cast<const uint32_t *>(planes[0] + at),
                      layer.groups == 2 ? reinterpret_cast<const uint32_t *>(planes[1] + at) : nullptr);
  }

  // Row y of the local FCs of the waves, which replace their shortcuts, and the row's part of GAP(sum f_i + z).
  static void mix_row(const BlockPass &pass, const Scratch &scratch, int y) {
    const Stage &stage = *pass.stage;
    const Block &block = *pass.block;
    const int blocks = stage.blocks_of_channels, slots = kLanes * blocks, size = stage.size;
    const size_t at = static_cast<size_t>(y) * size * slots;
    for (size_t i = 0; i < block.spatial1.size(); ++i) {
      pass.tracer.enter(OpKind::kLocalFC);
      float *branch = pass.branch[i] + at;
      trace_row(pass, block.spatial1[i].mix, y, pass.planes + 2 * i);
      local_fc(
          block.spatial1[i].mix, pass.planes + 2 * i, size, y, scratch,
          [=](int t, int b) { return V::load(branch + t * slots + kLanes * b); },
          [=](int t, int b, F value) { V::store(branch + t * slots + kLanes * b, value); });
    }
    pass.tracer.enter(OpKind::kMerges);
    for (int b = 0; b < blocks; ++b) {
      const size_t i = at + kLanes * b;
      F sum = V::mul(V::set(static_cast<float>(size)), V::load(block.norm1_offset + kLanes * b));
      sum = V::fma(V::load(block.norm1_factor + kLanes * b), column_sum(pass.x + i, slots, size), sum);
      for (int n = 0; n < pass.branches; ++n) sum = V::add(sum, column_sum(pass.branch[n] + i, slots, size));
      V::store(pass.row_sums + y * slots + kLanes * b, sum);
    }
  }

  // Softmax over the branches of ReweightMLP(mean), branches x slots, into `weights`.
  static void reweight(const BlockPass &pass, const Scratch &scratch, const float *mean, float *weights) {
    pass.tracer.enter(OpKind::kReweight);
    const Block &block = *pass.block;
    const ChannelMLP &mlp = block.reweight;
    const int blocks = pass.stage->blocks_of_channels, hidden = mlp.second.inputs;
    float *shortcut = scratch.gathered, *inner = scratch.phase;
    for (int o = 0; o < hidden; ++o) {
      float sum = 0;
      for (int i = 0; i < kRatio; ++i) {
        const int32_t slot = block.reweight_first[kRatio * o + i];
        sum += slot < 0 ? 0.0f : mean[slot];
      }
      shortcut[o] = sum / kRatio;
    }
    pack_signs(mean, 1, mlp.first.inputs, mlp.first.threshold, scratch.bits);
    pass.tracer.tokens(mlp.first.index, 0, 1, scratch.bits);
    binary_fc(mlp.first, scratch.bits, 1, shortcut, 0,
              [=](int, int b, F value) { V::store(inner + kLanes * b, value); });
    for (size_t o = 0; o < block.reweight_second.size(); ++o) {
      const int32_t slot = block.reweight_second[o];
      shortcut[o] = slot < 0 ? 0.0f : inner[slot];
    }
    pack_signs(inner, 1, hidden, mlp.second.threshold, scratch.bits);
    pass.tracer.tokens(mlp.second.index, 0, 1, scratch.bits);
    binary_fc(mlp.second, scratch.bits, 1, shortcut, 0,
              [=](int, int b, F value) { V::store(weights + kLanes * b, value); });
    for (int b = 0; b < blocks; ++b) {
      float *a = weights + kLanes * b;
      const int stride = kLanes * blocks;
      F largest = V::load(a), sum = V::set(0.0f);
      for (int n = 1; n < pass.branches; ++n) largest = V::max(largest, V::load(a + n * stride));
      for (int n = 0; n < pass.branches; ++n) {
        const F e = exponential(V::sub(V::load(a + n * stride), largest));
        V::store(a + n * stride, e);
        sum = V::add(sum, e);
      }
      for (int n = 0; n < pass.branches; ++n) V::store(a + n * stride, V::divide(V::load(a + n * stride), sum));
    }
  }

  // End of MBB block 1 for `count` tokens, x <- x + projection(sum f_i a_i + z), and the part of MBB block 2 on
  // m = Norm2(x) that needs no other token: the bits of the Spatial Binary FCs, and the Channel Binary MLPs, whose
  // weighted sum goes into branch 0.
  static void project(const BlockPass &pass, const Scratch &scratch, int first, int count) {
    const Stage &stage = *pass.stage;
    const Block &block = *pass.block;
    const int blocks = stage.blocks_of_channels, slots = kLanes * blocks;
    in_tiles(count, slots, [&](int from, int tokens) {
      const int token = first + from;
      const size_t at = static_cast<size_t>(token) * slots;
      float *x = pass.x + at;
      pass.tracer.enter(OpKind::kMerges);
      merged(pass, tokens, at, scratch.z);
      pass.tracer.enter(OpKind::kSigns);
      pack_signs(scratch.z, tokens, slots, block.projection.threshold, scratch.bits);
      pass.tracer.tokens(block.projection.index, token, tokens, scratch.bits);
      pass.tracer.enter(OpKind::kChannelFC);
      binary_fc(block.projection, scratch.bits, tokens, scratch.z, slots, [=](int t, int b, F value) {
        const int i = t * slots + kLanes * b;
        V::store(x + i, V::add(V::load(x + i), value));
      });
      pass.tracer.enter(OpKind::kNorms);
      affine(x, tokens, blocks, block.norm2_factor, block.norm2_offset, scratch.z);
      pass.tracer.enter(OpKind::kSigns);
      for (size_t i = 0; i < block.spatial2.size(); ++i) {
        pack_signs(scratch.z, tokens, slots, block.spatial2[i].threshold[0],
                   reinterpret_cast<uint32_t *>(pass.planes[2 * i]), stage.padded_index + token);
      }
      pass.tracer.enter(OpKind::kNorms);
      gather(scratch.z, tokens, slots, stage.quarters, scratch.gathered);
      const size_t spatial = block.spatial2.size();
      for (size_t i = 0; i < block.channel2.size(); ++i) {
        channel_mlp(pass, block.channel2[i], scratch, token, tokens, block.merge[spatial + i], i == 0,
                    pass.branch[0] + at);
      }
    });
  }

  // Weighted branches sum f_i a_i + z, into `out`.
  static void merged(const BlockPass &pass, int tokens, size_t at, float *out) {
    const Block &block = *pass.block;
    const int blocks = pass.stage->blocks_of_channels, slots = kLanes * blocks, branches = pass.branches;
    const float *x = pass.x + at, *weights = pass.branch_weights, *const *branch = pass.branch;
    for (int b = 0; b < blocks; ++b) {
      const F factor = V::load(block.norm1_factor + kLanes * b), offset = V::load(block.norm1_offset + kLanes * b);
      for (int t = 0; t < tokens; ++t) {
        const int i = t * slots + kLanes * b;
        F sum = V::fma(factor, V::load(x + i), offset);
        for (int n = 0; n < branches; ++n) {
          sum = V::fma(V::load(branch[n] + at + i), V::load(weights + n * slots + kLanes * b), sum);
        }
        V::store(out + i, sum);
      }
    }
  }

  // Weighted Channel Binary MLP: out (+)= weight * MLP(z). The mean of the hidden blocks 4 q .. 4 q + 3 is the second
  // layer's shortcut at block q.
  static void channel_mlp(const BlockPass &pass, const ChannelMLP &mlp, const Scratch &scratch, int token, int tokens,
                          float weight, bool first, float *out) {
    const int slots = mlp.first.inputs, hidden = mlp.first.blocks;
    auto *hidden_bits = reinterpret_cast<uint16_t *>(scratch.hidden_bits);
    float *means = scratch.phase;
    const float *threshold = mlp.second.threshold;
    pass.tracer.enter(OpKind::kSigns);
    pack_signs(scratch.z, tokens, slots, mlp.first.threshold, scratch.bits);
    pass.tracer.tokens(mlp.first.index, token, tokens, scratch.bits);
    pass.tracer.enter(OpKind::kChannelFC);
    const F quarter = V::set(1.0f / kRatio), w = V::set(weight);
    binary_fc(mlp.first, scratch.bits, tokens, scratch.gathered, kLanes * pass.stage->quarters.blocks,
              [=](int t, int b, F value) {
                float *mean = means + t * slots + kLanes * (b / kRatio);
                V::store(mean, b % kRatio == 0 ? V::mul(quarter, value) : V::fma(quarter, value, V::load(mean)));
                V::store_gt_bits(hidden_bits + t * hidden + b, value, V::load(threshold + kLanes * b));
              });
    pass.tracer.tokens(mlp.second.index, token, tokens, scratch.hidden_bits);
    binary_fc(mlp.second, scratch.hidden_bits, tokens, scratch.phase, slots, [=](int t, int b, F value) {
      float *to = out + t * slots + kLanes * b;
      V::store(to, first ? V::mul(w, value) : V::fma(w, value, V::load(to)));
    });
  }

  // --- MBB block 2 ---

  // Row y of x <- x + sum w_i f_i: computes the Spatial Binary FCs and takes the sum of the others from branch 0.
  static void merge_row(const BlockPass &pass, const Scratch &scratch, int y) {
    const Stage &stage = *pass.stage;
    const Block &block = *pass.block;
    const int blocks = stage.blocks_of_channels, slots = kLanes * blocks, size = stage.size;
    const size_t at = static_cast<size_t>(y) * size * slots;
    float *x = pass.x + at, *out = pass.branch[0] + at;
    const auto m = [=, &block](int t, int b) {
      const F factor = V::load(block.norm2_factor + kLanes * b), offset = V::load(block.norm2_offset + kLanes * b);
      return V::fma(factor, V::load(x + t * slots + kLanes * b), offset);
    };
    if (block.channel2.empty()) fill(out, size * slots, 0.0f);
    const size_t count = block.spatial2.size();
    for (size_t i = 0; i < count; ++i) {
      const LocalFC &layer = block.spatial2[i];
      const F weight = V::set(block.merge[i]);
      pass.tracer.enter(OpKind::kLocalFC);
      trace_row(pass, layer, y, pass.planes + 2 * i);
      if (i + 1 < count) {
        local_fc(layer, pass.planes + 2 * i, size, y, scratch, m, [=](int t, int b, F value) {
          float *to = out + t * slots + kLanes * b;
          V::store(to, V::fma(weight, value, V::load(to)));
        });
      } else {  // the last one, after which m of this token is not needed
        local_fc(layer, pass.planes + 2 * i, size, y, scratch, m, [=](int t, int b, F value) {
          float *to = x + t * slots + kLanes * b;
          V::store(to, V::add(V::load(to), V::fma(weight, value, V::load(out + t * slots + kLanes * b))));
        });
      }
    }
    if (count) return;
    pass.tracer.enter(OpKind::kMerges);
    for (int i = 0; i < size * slots; i += kLanes) V::store(x + i, V::add(V::load(x + i), V::load(out + i)));
  }
};

// Table of the passes for one instruction set.
template <class V>
Kernels pass_kernels() {
  using P = Passes<V>;
  Kernels table = {};
  table.name = V::kName;
  table.full_fc = P::full_fc;
  table.branch = P::branch;
  table.mix_row = P::mix_row;
  table.reweight = P::reweight;
  table.project = P::project;
  table.merge_row = P::merge_row;
  table.pool_row = P::pool_row;
  table.head = P::head;
  table.pack_signs = P::pack_signs;
  table.single_fc = P::single_fc;
  table.single_local = P::single_local;
  return table;
}

}  // namespace bimlp
