// The passes over one image, written once for every instruction set.
//
// V says how 16 numbers at a time are computed with: types F (floats), I (counts), B (a run of bits), and the operations
// below. A pass handles some tokens or one row of a map, in channels-last order, and none depends on another of its kind.
#pragma once
#include "kernels.h"

namespace bimlp {

template <class V>
struct Passes {
  using F = typename V::F;
  using I = typename V::I;
  using B = typename V::B;

  // f(first, tokens) for tiles of `count` tokens
  template <class Tile>
  static void in_tiles(int count, int slots, Tile f) {
    const int length = tile_of(slots);
    for (int first = 0; first < count; first += length) f(first, count - first < length ? count - first : length);
  }

  // --- values to bits, sums to values ---

  // bits of `tokens` rows of `slots` numbers: 1 where x > threshold; row t goes to place[t], or to t
  static void signs(const float *x, int tokens, int slots, const float *threshold, uint32_t *bits,
                    const int32_t *place = nullptr) {
    for (int block = 0; block < slots; block += 2 * kLanes) {
      const F low = V::load(threshold + block), high = V::load(threshold + block + kLanes);
      for (int t = 0; t < tokens; ++t) {
        const float *row = x + t * slots + block;
        uint16_t *to = reinterpret_cast<uint16_t *>(bits + (place ? place[t] : t) * (slots / 32) + block / 32);
        V::store_above(to, V::load(row), low);
        V::store_above(to + 1, V::load(row + kLanes), high);
      }
    }
  }

  // What follows the sums of a binary FC: sink(t, block, RPReLU(factor * sum + offset + source)) for token t and a block out.
  template <class Sink>
  struct Finish {
    const BinaryFC &layer;
    const float *source;
    int stride;  // of the source, from token to token
    Sink sink;

    struct Block {
      F factor, offset, slope, shift_out;
      const float *from;
      int stride, block;
      Sink sink;

      BIMLP_INLINE void operator()(int t, I sum) const {
        const F y = V::add(V::fma(factor, V::to_float(sum), offset), V::load(from + t * stride));
        sink(t, block, V::rprelu(y, slope, shift_out));
      }
    };

    BIMLP_INLINE Block of(int block) const {
      const Affine &a = layer.affine;
      const int at = kLanes * block;
      return {V::load(a.factor + at), V::load(a.offset + at), V::load(a.slope + at), V::load(a.shift_out + at),
              source + kLanes * layer.shortcut[block], stride, block, sink};
    }
  };

  template <class Sink>
  static void binary_fc(const BinaryFC &layer, const uint32_t *bits, int tokens, const float *source, int source_stride, Sink sink) {
    const Finish<Sink> finish = {layer, source, source_stride, sink};
    int t = 0;
    for (; t + V::kTokens <= tokens; t += V::kTokens) binary_tile<V::kTokens>(layer, bits, t, finish);
    binary_rest<V::kTokens - 1>(layer, bits, t, tokens - t, finish);
  }

  template <int T, class Sink>
  static void binary_rest(const BinaryFC &layer, const uint32_t *bits, int first, int tokens, const Finish<Sink> &finish) {
    if (tokens == T) return binary_tile<T>(layer, bits, first, finish);
    if constexpr (T > 1) binary_rest<T - 1>(layer, bits, first, tokens, finish);
  }

  // T tokens from `first` on
  template <int T, class Sink>
  static void binary_tile(const BinaryFC &layer, const uint32_t *bits, int first, const Finish<Sink> &finish) {
    int block = 0;
    for (; block + V::kBlocks <= layer.blocks; block += V::kBlocks) binary_blocks<T, V::kBlocks>(layer, bits, first, block, finish);
    for (; block < layer.blocks; ++block) binary_blocks<T, 1>(layer, bits, first, block, finish);
  }

  template <int T, int J, class Sink>
  static BIMLP_INLINE void binary_blocks(const BinaryFC &layer, const uint32_t *bits, int first, int block, const Finish<Sink> &finish) {
    const size_t block_size = static_cast<size_t>(layer.words) * kLanes;
    I counts[T][J];
    V::template mismatches<T, J>(bits + first * layer.words, layer.words, layer.weight + block * block_size, counts);
    unrolled<J>([&](auto j) BIMLP_INLINED {
      const auto done = finish.of(block + j);
      unrolled<T>([&](auto t) BIMLP_INLINED { done(first + t, counts[t][j]); });
    });
  }

  // rows of factor * x + offset
  static void affine(const float *x, int tokens, int blocks, const float *factor, const float *offset, float *out) {
    for (int block = 0; block < blocks; ++block) {
      const F f = V::load(factor + kLanes * block), o = V::load(offset + kLanes * block);
      for (int t = 0; t < tokens; ++t) {
        const int at = kLanes * (t * blocks + block);
        V::store(out + at, V::fma(f, V::load(x + at), o));
      }
    }
  }

  static void gather(const float *x, int tokens, int slots, const Gather &gather, float *out) {
    const int blocks = gather.blocks;
    for (int block = 0; block < blocks; ++block) {
      const typename V::Picker pick(gather.index + kLanes * block, gather.window[block]);
      for (int t = 0; t < tokens; ++t) V::store(out + kLanes * (t * blocks + block), pick(x + t * slots));
    }
  }

  // --- parts by themselves, for those who check them ---

  static void single_fc(const BinaryFC &layer, const uint32_t *bits, int tokens, const float *source, int stride, float *out) {
    const int slots = kLanes * layer.blocks;
    binary_fc(layer, bits, tokens, source, stride,
              [=](int t, int b, F value) { V::store(out + t * slots + kLanes * b, value); });
  }

  static void single_local(const LocalFC &layer, const uint8_t *const *planes, int size, int y, const Scratch &scratch,
                           const float *source, float *out) {
    local_fc(
        layer, planes, size, y, scratch, [=](int t, int b) { return V::load(source + kLanes * (t * layer.blocks + b)); },
        [=](int t, int b, F value) { V::store(out + kLanes * (t * layer.blocks + b), value); });
  }

  // --- the wave: (theta, z) -> z cos theta, z sin theta ---

  struct Wave {
    F cosine, sine;
  };

  // theta = n pi + r with |r| <= pi / 2; both parts change their sign with every n. To 4e-7 z for |theta| <= 1e4.
  static Wave wave(F theta, F z) {
    const F shifted = V::fma(theta, V::set(0.31830988618379067f), V::set(12582912.0f));
    const F n = V::sub(shifted, V::set(12582912.0f));  // the nearest whole number
    const F amplitude = V::flip_if_odd(z, shifted);
    F r = V::fma(n, V::set(-3.140625f), theta);  // pi in two parts, of which n times the first is exact
    r = V::fma(n, V::set(-9.67653589793e-4f), r);
    const F u = V::mul(r, r);
    F sine = V::fma(u, V::set(2.60005436e-06f), V::set(-1.98066147e-04f));
    sine = V::fma(sine, u, V::set(8.33301712e-03f));
    sine = V::fma(sine, u, V::set(-1.66666567e-01f));
    sine = V::fma(V::mul(sine, u), r, r);
    F cosine = V::fma(u, V::set(-2.60771031e-07f), V::set(2.47618864e-05f));
    cosine = V::fma(cosine, u, V::set(-1.38884038e-03f));
    cosine = V::fma(cosine, u, V::set(4.16666418e-02f));
    cosine = V::fma(cosine, u, V::set(-0.5f));
    cosine = V::fma(cosine, u, V::set(1.0f));
    return {V::mul(cosine, amplitude), V::mul(sine, amplitude)};
  }

  // --- local FC ---

  // Three binary digits of how many of seven bits are 1.
  struct Digits {
    B ones, twos, fours;
  };
  static Digits count7(const B (&a)[kTaps]) {
    const B s1 = V::odd(a[0], a[1], a[2]), c1 = V::most(a[0], a[1], a[2]);
    const B s2 = V::odd(a[3], a[4], a[5]), c2 = V::most(a[3], a[4], a[5]);
    const B c3 = V::most(s1, s2, a[6]);
    return {V::odd(s1, s2, a[6]), V::odd(c1, c2, c3), V::most(c1, c2, c3)};
  }

  static Digits mismatches(const uint8_t *const (&x)[kTaps], const uint8_t *weight, size_t stride, size_t at) {
    B a[kTaps];
    for (int k = 0; k < kTaps; ++k) a[k] = V::mismatch(x[k] + at, weight + k * stride + at);
    return count7(a);
  }

  // counts: at how many taps bits and weights differ, for every slot of row y of the map
  static void local_counts(const LocalFC &layer, const uint8_t *const *planes, int size, int y, const Scratch &scratch) {
    uint8_t *const *digits = scratch.digits;
    const size_t token = 2 * layer.blocks, row = (size + 2 * kMargin) * token, bytes = size * token;
    const uint8_t *x[2][kTaps];
    for (int g = 0; g < layer.groups; ++g) {
      for (int k = 0; k < kTaps; ++k) {
        x[g][k] = planes[g] + (layer.height ? (y + k) * row + kMargin * token : (y + kMargin) * row + k * token);
      }
    }
    const size_t stride = layer.weight_stride;
    for (size_t at = 0; at < bytes; at += sizeof(B)) {
      const Digits a = mismatches(x[0], layer.weight, stride, at);
      if (layer.groups == 1) {
        V::store_bits(digits[0] + at, a.ones);
        V::store_bits(digits[1] + at, a.twos);
        V::store_bits(digits[2] + at, a.fours);
        continue;
      }
      const Digits b = mismatches(x[1], layer.weight + kTaps * stride, stride, at);
      const B none = V::differ(a.ones, a.ones);
      const B carry1 = V::most(a.ones, b.ones, none), carry2 = V::most(a.twos, b.twos, carry1);
      V::store_bits(digits[0] + at, V::differ(a.ones, b.ones));
      V::store_bits(digits[1] + at, V::odd(a.twos, b.twos, carry1));
      V::store_bits(digits[2] + at, V::odd(a.fours, b.fours, carry2));
      V::store_bits(digits[3] + at, V::most(a.fours, b.fours, carry2));
    }
    V::join_digits(digits, layer.groups == 1 ? 3 : 4, bytes, scratch.counts);
  }

  static void trace_row(const BlockPass &pass, const LocalFC &layer, int y, const uint8_t *const *planes) {
    if (!pass.watch.trace) return;
    const int size = pass.stage->size;
    const size_t at = ((y + kMargin) * (size + 2 * kMargin) + kMargin) * size_t(2 * layer.blocks);
    pass.watch.trace(pass.watch.user, layer.index, y * size, size, reinterpret_cast<const uint32_t *>(planes[0] + at),
                     layer.groups == 2 ? reinterpret_cast<const uint32_t *>(planes[1] + at) : nullptr);
  }

  // sink(t, block, value) for row y of a local FC; source(t, block): its shortcut
  template <class Source, class Sink>
  static void local_fc(const LocalFC &layer, const uint8_t *const *planes, int size, int y, const Scratch &scratch,
                       Source source, Sink sink) {
    local_counts(layer, planes, size, y, scratch);
    // what stores might change, for all the compiler knows, is not left in structures
    const uint8_t *counts = scratch.counts;
    const int32_t *position = layer.position, along = layer.height ? 0 : 1;
    const int blocks = layer.blocks, slots = kLanes * blocks;
    if (layer.height) position += y;
    for (int block = 0; block < blocks; ++block) {
      const int at = kLanes * block;
      const F factor = V::load(layer.factor + at), slope = V::load(layer.slope + at);
      const F out = V::load(layer.shift_out + at);
      const float *offsets = layer.offset + at;
      for (int t = 0; t < size; ++t) {
        const F count = V::to_float(V::load_counts(counts + t * slots + at));
        const F offset = V::load(offsets + position[along * t] * slots);
        const F value = V::add(V::fma(factor, count, offset), source(t, block));
        sink(t, block, V::rprelu(value, slope, out));
      }
    }
  }

  // --- MBB block 1 ---

  // Branches of `count` tokens on z = Norm1(x): waves and their bits, and the Channel Binary FCs.
  static void branch(const BlockPass &pass, const Scratch &scratch, int first, int count) {
    const Stage &stage = *pass.stage;
    const Block &block = *pass.block;
    const int blocks = stage.blocks_of_channels, slots = kLanes * blocks;
    in_tiles(count, slots, [&](int from, int tokens) {
      const int token = first + from;
      const size_t at = static_cast<size_t>(token) * slots;
      pass.watch.enter(Work::kNorms);
      affine(pass.x + at, tokens, blocks, block.norm1_factor, block.norm1_offset, scratch.z);
      gather(scratch.z, tokens, slots, stage.halves, scratch.gathered);
      for (size_t i = 0; i < block.spatial1.size(); ++i) {
        const SpatialMLP &mlp = block.spatial1[i];
        to_rows(pass, mlp.phase, scratch, token, tokens, scratch.gathered, scratch.phase);
        to_rows(pass, mlp.amplitude, scratch, token, tokens, scratch.gathered, scratch.amplitude);
        pass.watch.enter(Work::kWave);
        waves(mlp.mix, scratch, tokens, stage.place + token, pass.branch[i] + at, pass.planes + 2 * i);
      }
      for (size_t i = 0; i < block.channel1.size(); ++i) {
        to_rows(pass, block.channel1[i], scratch, token, tokens, scratch.z,
                pass.branch[block.spatial1.size() + i] + at);
      }
    });
  }

  // One Channel Binary FC of z, into rows.
  static void to_rows(const BlockPass &pass, const BinaryFC &layer, const Scratch &scratch, int token, int tokens,
                      const float *source, float *out) {
    pass.watch.enter(Work::kSigns);
    signs(scratch.z, tokens, layer.inputs, layer.threshold, scratch.bits);
    pass.watch.tokens(layer.index, token, tokens, scratch.bits);
    pass.watch.enter(Work::kChannelFC);
    const int slots = kLanes * layer.blocks;
    binary_fc(layer, scratch.bits, tokens, source, slots,
              [=](int t, int b, F value) { V::store(out + t * slots + kLanes * b, value); });
  }

  // The wave of `tokens` tokens at `place` of the planes: the shortcut of the local FC, and the bits.
  static void waves(const LocalFC &mix, const Scratch &scratch, int tokens, const int32_t *place, float *mean,
                    uint8_t *const *planes) {
    const int blocks = mix.blocks, pairs = blocks / 2, slots = kLanes * blocks;
    auto *even_bits = reinterpret_cast<uint16_t *>(planes[0]), *odd_bits = reinterpret_cast<uint16_t *>(planes[1]);
    const float *phase = scratch.phase, *amplitude = scratch.amplitude, *evens = mix.threshold[0], *odds = mix.threshold[1];
    const F half = V::set(0.5f);
    for (int p = 0; p < pairs; ++p) {
      const auto keep = [=](int t, int block, F even, F odd) {
        const int i = place[t] * blocks + block;
        V::store(mean + t * slots + kLanes * block, V::mul(half, V::add(even, odd)));
        V::store_above(even_bits + i, even, V::load(evens + kLanes * block));
        V::store_above(odd_bits + i, odd, V::load(odds + kLanes * block));
      };
      for (int t = 0; t < tokens; ++t) {
        const int i = t * slots + 2 * p * kLanes;
        const Wave even = wave(V::load(phase + i), V::load(amplitude + i));
        const Wave odd = wave(V::load(phase + i + kLanes), V::load(amplitude + i + kLanes));
        keep(t, p, even.cosine, odd.cosine);
        keep(t, p + pairs, even.sine, odd.sine);
      }
    }
  }

  // Local FCs of the waves for row y, in place of their shortcuts, and the row's share of GAP(sum f_i + z).
  static void mix_row(const BlockPass &pass, const Scratch &scratch, int y) {
    const Stage &stage = *pass.stage;
    const Block &block = *pass.block;
    const int blocks = stage.blocks_of_channels, slots = kLanes * blocks, size = stage.size;
    const size_t at = static_cast<size_t>(y) * size * slots;
    for (size_t i = 0; i < block.spatial1.size(); ++i) {
      pass.watch.enter(Work::kLocalFC);
      float *branch = pass.branch[i] + at;
      trace_row(pass, block.spatial1[i].mix, y, pass.planes + 2 * i);
      local_fc(
          block.spatial1[i].mix, pass.planes + 2 * i, size, y, scratch,
          [=](int t, int b) { return V::load(branch + t * slots + kLanes * b); },
          [=](int t, int b, F value) { V::store(branch + t * slots + kLanes * b, value); });
    }
    pass.watch.enter(Work::kMerges);
    for (int b = 0; b < blocks; ++b) {
      const size_t i = at + kLanes * b;
      F sum = V::mul(V::set(static_cast<float>(size)), V::load(block.norm1_offset + kLanes * b));
      sum = V::fma(V::load(block.norm1_factor + kLanes * b), column_sum(pass.x + i, slots, size), sum);
      for (int n = 0; n < pass.branches; ++n) sum = V::add(sum, column_sum(pass.branch[n] + i, slots, size));
      V::store(pass.row_sums + y * slots + kLanes * b, sum);
    }
  }

  // of a block of `count` tokens; in four sums, each of which would wait for itself
  static F column_sum(const float *from, int stride, int count) {
    F sum[4];
    unrolled<4>([&](auto i) BIMLP_INLINED { sum[i] = V::set(0.0f); });
    int t = 0;
    for (; t + 4 <= count; t += 4) {
      unrolled<4>([&](auto i) BIMLP_INLINED { sum[i] = V::add(sum[i], V::load(from + (t + i) * stride)); });
    }
    for (; t < count; ++t) sum[0] = V::add(sum[0], V::load(from + t * stride));
    return V::add(V::add(sum[0], sum[1]), V::add(sum[2], sum[3]));
  }

  // e^x for x <= 0, to 3e-7 of it
  static F exponential(F x) {
    x = V::max(x, V::set(-87.0f));
    const F shifted = V::fma(x, V::set(1.44269504f), V::set(12582912.0f));
    const F n = V::sub(shifted, V::set(12582912.0f));
    F r = V::fma(n, V::set(-0.693359375f), x);
    r = V::fma(n, V::set(2.12194440e-4f), r);
    F y = V::set(1.0f / 720);
    for (float c : {1.0f / 120, 1.0f / 24, 1.0f / 6, 0.5f, 1.0f, 1.0f}) y = V::fma(y, r, V::set(c));
    return V::times_power_of_two(y, shifted);
  }

  // a = softmax over the branches of ReweightMLP(mean): branches x slots
  static void reweight(const BlockPass &pass, const Scratch &scratch, const float *mean, float *weights) {
    pass.watch.enter(Work::kReweight);
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
    signs(mean, 1, mlp.first.inputs, mlp.first.threshold, scratch.bits);
    pass.watch.tokens(mlp.first.index, 0, 1, scratch.bits);
    binary_fc(mlp.first, scratch.bits, 1, shortcut, 0, [=](int, int b, F value) { V::store(inner + kLanes * b, value); });
    for (size_t o = 0; o < block.reweight_second.size(); ++o) {
      const int32_t slot = block.reweight_second[o];
      shortcut[o] = slot < 0 ? 0.0f : inner[slot];
    }
    signs(inner, 1, hidden, mlp.second.threshold, scratch.bits);
    pass.watch.tokens(mlp.second.index, 0, 1, scratch.bits);
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

  // Of `count` tokens x <- x + projection(sum f_i a_i + z), then of MBB block 2 on m = Norm2(x) what a token needs no
  // other for: the bits of the Spatial Binary FCs, and the Channel Binary MLPs, whose weighted sum goes into branch 0.
  static void project(const BlockPass &pass, const Scratch &scratch, int first, int count) {
    const Stage &stage = *pass.stage;
    const Block &block = *pass.block;
    const int blocks = stage.blocks_of_channels, slots = kLanes * blocks;
    in_tiles(count, slots, [&](int from, int tokens) {
      const int token = first + from;
      const size_t at = static_cast<size_t>(token) * slots;
      float *x = pass.x + at;
      pass.watch.enter(Work::kMerges);
      merged(pass, tokens, at, scratch.z);
      pass.watch.enter(Work::kSigns);
      signs(scratch.z, tokens, slots, block.projection.threshold, scratch.bits);
      pass.watch.tokens(block.projection.index, token, tokens, scratch.bits);
      pass.watch.enter(Work::kChannelFC);
      binary_fc(block.projection, scratch.bits, tokens, scratch.z, slots, [=](int t, int b, F value) {
        const int i = t * slots + kLanes * b;
        V::store(x + i, V::add(V::load(x + i), value));
      });
      pass.watch.enter(Work::kNorms);
      affine(x, tokens, blocks, block.norm2_factor, block.norm2_offset, scratch.z);
      pass.watch.enter(Work::kSigns);
      for (size_t i = 0; i < block.spatial2.size(); ++i) {
        signs(scratch.z, tokens, slots, block.spatial2[i].threshold[0], reinterpret_cast<uint32_t *>(pass.planes[2 * i]),
              stage.place + token);
      }
      pass.watch.enter(Work::kNorms);
      gather(scratch.z, tokens, slots, stage.quarters, scratch.gathered);
      const size_t spatial = block.spatial2.size();
      for (size_t i = 0; i < block.channel2.size(); ++i) {
        channel_mlp(pass, block.channel2[i], scratch, token, tokens, block.merge[spatial + i], i == 0,
                    pass.branch[0] + at);
      }
    });
  }

  // sum f_i a_i + z
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

  // out (+)= weight * ChannelBinaryMLP(z). The hidden layer's 4 blocks 4 q .. 4 q + 3 have the mean that is the second
  // layer's shortcut at block q.
  static void channel_mlp(const BlockPass &pass, const ChannelMLP &mlp, const Scratch &scratch, int token, int tokens,
                          float weight, bool first, float *out) {
    const int slots = mlp.first.inputs, hidden = mlp.first.blocks;
    auto *hidden_bits = reinterpret_cast<uint16_t *>(scratch.hidden_bits);
    float *means = scratch.phase;
    const float *threshold = mlp.second.threshold;
    pass.watch.enter(Work::kSigns);
    signs(scratch.z, tokens, slots, mlp.first.threshold, scratch.bits);
    pass.watch.tokens(mlp.first.index, token, tokens, scratch.bits);
    pass.watch.enter(Work::kChannelFC);
    const F quarter = V::set(1.0f / kRatio), w = V::set(weight);
    binary_fc(mlp.first, scratch.bits, tokens, scratch.gathered, kLanes * pass.stage->quarters.blocks,
              [=](int t, int b, F value) {
                float *mean = means + t * slots + kLanes * (b / kRatio);
                V::store(mean, b % kRatio == 0 ? V::mul(quarter, value) : V::fma(quarter, value, V::load(mean)));
                V::store_above(hidden_bits + t * hidden + b, value, V::load(threshold + kLanes * b));
              });
    pass.watch.tokens(mlp.second.index, token, tokens, scratch.hidden_bits);
    binary_fc(mlp.second, scratch.hidden_bits, tokens, scratch.phase, slots, [=](int t, int b, F value) {
      float *to = out + t * slots + kLanes * b;
      V::store(to, first ? V::mul(w, value) : V::fma(w, value, V::load(to)));
    });
  }

  // --- MBB block 2 ---

  // Row y of x <- x + sum w_i f_i, the Spatial Binary FCs computed here, the others taken from branch 0.
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
      pass.watch.enter(Work::kLocalFC);
      trace_row(pass, layer, y, pass.planes + 2 * i);
      if (i + 1 < count) {
        local_fc(layer, pass.planes + 2 * i, size, y, scratch, m, [=](int t, int b, F value) {
          float *to = out + t * slots + kLanes * b;
          V::store(to, V::fma(weight, value, V::load(to)));
        });
      } else {  // the last one: m of this place will not be needed any more
        local_fc(layer, pass.planes + 2 * i, size, y, scratch, m, [=](int t, int b, F value) {
          float *to = x + t * slots + kLanes * b;
          V::store(to, V::add(V::load(to), V::fma(weight, value, V::load(out + t * slots + kLanes * b))));
        });
      }
    }
    if (count) return;
    pass.watch.enter(Work::kMerges);
    for (int i = 0; i < size * slots; i += kLanes) V::store(x + i, V::add(V::load(x + i), V::load(out + i)));
  }

  static void fill(float *p, int count, float value) {
    for (int i = 0; i < count; i += kLanes) V::store(p + i, V::set(value));
  }

  // --- full precision ---

  // out: tokens x blocks. Run s of token t starts at x + s * run_stride + t * token_stride.
  static void full_fc(const FullFC &layer, const float *x, size_t run_stride, size_t token_stride, int tokens, float *out) {
    constexpr int T = V::kFullTokens;
    int t = 0;
    for (; t + T <= tokens; t += T) full_tile<T>(layer, x + t * token_stride, run_stride, token_stride, out, t);
    full_rest<T - 1>(layer, x + t * token_stride, run_stride, token_stride, tokens - t, out, t);
  }

  template <int T>
  static void full_rest(const FullFC &layer, const float *x, size_t run_stride, size_t token_stride, int tokens, float *out,
                        int first) {
    if (tokens == T) return full_tile<T>(layer, x, run_stride, token_stride, out, first);
    if constexpr (T > 1) full_rest<T - 1>(layer, x, run_stride, token_stride, tokens, out, first);
  }

  template <int T>
  static void full_tile(const FullFC &layer, const float *x, size_t run_stride, size_t token_stride, float *out,
                        int first) {
    constexpr int J = V::kFullBlocks;
    int block = 0;
    for (; block + J <= layer.blocks; block += J) full_blocks<T, J>(layer, x, run_stride, token_stride, out, first, block);
    for (; block < layer.blocks; ++block) full_blocks<T, 1>(layer, x, run_stride, token_stride, out, first, block);
  }

  template <int T, int J>
  static void full_blocks(const FullFC &layer, const float *x, size_t run_stride, size_t token_stride, float *out,
                          int first, int block) {
    const size_t inputs = static_cast<size_t>(layer.runs) * layer.length;
    const float *weight = layer.weight + block * inputs * kLanes;
    F sum[T][J];
    unrolled<T * J>([&](auto i) BIMLP_INLINED { sum[i / J][i % J] = V::set(0.0f); });
    for (int s = 0; s < layer.runs; ++s) {
      const float *run = x + s * run_stride;
      for (int k = 0; k < layer.length; ++k, weight += kLanes) {
        F w[J];
        unrolled<J>([&](auto j) BIMLP_INLINED { w[j] = V::load(weight + j * inputs * kLanes); });
        unrolled<T>([&](auto t) BIMLP_INLINED {
          const F value = V::set(run[t * token_stride + k]);
          unrolled<J>([&](auto j) BIMLP_INLINED { sum[t][j] = V::fma(value, w[j], sum[t][j]); });
        });
      }
    }
    unrolled<J>([&](auto j) BIMLP_INLINED {
      const int at = kLanes * (block + j);
      const F factor = V::load(layer.affine.factor + at), offset = V::load(layer.affine.offset + at);
      const F slope = V::load(layer.affine.slope + at), shift = V::load(layer.affine.shift_out + at);
      unrolled<T>([&](auto t) BIMLP_INLINED {
        const F y = V::rprelu(V::fma(factor, sum[t][j], offset), slope, shift);
        V::store(out + static_cast<size_t>(first + t) * kLanes * layer.blocks + at, y);
      });
    });
  }

  // Row y of the mean of the four max-pools, from a map of size x size tokens; column: size x 4 blocks of scratch.
  static void pool_row(const float *map, int size, int blocks, int y, float *column, float *out) {
    const int slots = kLanes * blocks, half = (size + 1) / 2;
    const PoolWindows rows(size, y);
    for (int b = 0; b < blocks; ++b) {
      for (int x = 0; x < size; ++x) {
        const float *from = map + static_cast<size_t>(x) * slots + kLanes * b;
        F most = V::load(from + static_cast<size_t>(rows.begin[0]) * size * slots);
        for (int w = 0; w < kPools; ++w) {
          most = widened(most, rows, w, [&](int r) { return V::load(from + static_cast<size_t>(r) * size * slots); });
          V::store(column + (w * size + x) * kLanes, most);
        }
      }
      for (int x = 0; x < half; ++x) {
        const PoolWindows columns(size, x);
        F sum = V::set(0.0f);
        for (int w = 0; w < kPools; ++w) {
          const float *from = column + w * size * kLanes;
          F most = V::load(from + columns.begin[w] * kLanes);
          for (int c = columns.begin[w] + 1; c < columns.end[w]; ++c) most = V::max(most, V::load(from + c * kLanes));
          sum = V::add(sum, most);
        }
        V::store(out + static_cast<size_t>(x) * slots + kLanes * b, V::mul(sum, V::set(1.0f / kPools)));
      }
    }
  }

  // the maximum over window w from that over window w - 1, which lies in it
  template <class Value>
  static F widened(F most, const PoolWindows &windows, int w, Value value) {
    const int inner_begin = w ? windows.begin[w - 1] : windows.begin[0], inner_end = w ? windows.end[w - 1] : windows.begin[0];
    for (int i = windows.begin[w]; i < inner_begin; ++i) most = V::max(most, value(i));
    for (int i = inner_end; i < windows.end[w]; ++i) most = V::max(most, value(i));
    return most;
  }

  // logits = W (factor * mean + offset) + bias
  static void head(const Head &head, const float *mean, float *normed, float *logits) {
    affine(mean, 1, head.inputs / kLanes, head.norm_factor, head.norm_offset, normed);
    for (int block = 0; block < head.blocks; ++block) {
      const float *weight = head.weight + static_cast<size_t>(block) * head.inputs * kLanes;
      F sum[4] = {V::load(head.bias + kLanes * block), V::set(0.0f), V::set(0.0f), V::set(0.0f)};
      for (int k = 0; k < head.inputs; k += 4) {
        for (int i = 0; i < 4; ++i) {
          sum[i] = V::fma(V::set(normed[k + i]), V::load(weight + (k + i) * kLanes), sum[i]);
        }
      }
      V::store(logits + kLanes * block, V::add(V::add(sum[0], sum[1]), V::add(sum[2], sum[3])));
    }
  }
};

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
  table.signs = P::signs;
  table.single_fc = P::single_fc;
  table.single_local = P::single_local;
  return table;
}

}  // namespace bimlp
