// Lanes of NEON on AArch64: 16 numbers in four registers, popcount of bytes.
#pragma once
#include <arm_neon.h>

#include "../../../native/inline.h"
#include "../ops/layers.h"

namespace bimlp {
namespace {

struct NeonLanes {
  template <class Part>
  struct Lanes {
    Part part[4];
  };
  using F = Lanes<float32x4_t>;
  using I = Lanes<uint32x4_t>;
  using B = uint8x16_t;
  static constexpr bool kPaired = false, kTiles = false;
  static constexpr int kTokens = 4, kBlocks = 1, kFullTokens = 6, kFullBlocks = 1;

  // Lanes whose register i is part(i).
  template <class Part>
  static BIMLP_INLINE auto each(Part part) {
    return Lanes<decltype(part(0))>{{part(0), part(1), part(2), part(3)}};
  }

  static F load(const float *p) {
    return each([=](int i) BIMLP_INLINED { return vld1q_f32(p + 4 * i); });
  }
  static void store(float *p, F x) {
    unrolled<4>([&](auto i) BIMLP_INLINED { vst1q_f32(p + 4 * i, x.part[i]); });
  }
  static F set(float x) {
    return each([=](int) BIMLP_INLINED { return vdupq_n_f32(x); });
  }
  static F add(F a, F b) {
    return each([&](int i) BIMLP_INLINED { return vaddq_f32(a.part[i], b.part[i]); });
  }
  static F sub(F a, F b) {
    return each([&](int i) BIMLP_INLINED { return vsubq_f32(a.part[i], b.part[i]); });
  }
  static F mul(F a, F b) {
    return each([&](int i) BIMLP_INLINED { return vmulq_f32(a.part[i], b.part[i]); });
  }
  static F divide(F a, F b) {
    return each([&](int i) BIMLP_INLINED { return vdivq_f32(a.part[i], b.part[i]); });
  }
  static F fma(F a, F b, F c) {
    return each([&](int i) BIMLP_INLINED { return vfmaq_f32(c.part[i], a.part[i], b.part[i]); });
  }
  static F max(F a, F b) {
    return each([&](int i) BIMLP_INLINED { return vmaxq_f32(a.part[i], b.part[i]); });
  }
  static F select_gt(F x, F threshold, F a, F b) {
    return each([&](int i)
                    BIMLP_INLINED { return vbslq_f32(vcgtq_f32(x.part[i], threshold.part[i]), a.part[i], b.part[i]); });
  }
  // 16 bits of x > threshold.
  static uint32_t gt_bits(F x, F threshold) {
    const I above = each([&](int i) BIMLP_INLINED { return vcgtq_f32(x.part[i], threshold.part[i]); });
    const uint16x8_t low = halves(above.part[0], above.part[1]), high = halves(above.part[2], above.part[3]);
    B bits = vandq_u8(vuzp1q_u8(vreinterpretq_u8_u16(low), vreinterpretq_u8_u16(high)), bit_of_byte());
    for (int i = 0; i < 3; ++i) bits = vpaddq_u8(bits, bits);
    return vgetq_lane_u16(vreinterpretq_u16_u8(bits), 0);
  }
  static void store_gt_bits(uint16_t *to, F x, F threshold) { *to = static_cast<uint16_t>(gt_bits(x, threshold)); }
  static F rprelu(F t, F slope, F shift_out) {
    return select_gt(t, set(0.0f), add(t, shift_out), fma(slope, t, shift_out));
  }
  static F to_float(I v) {
    return each([&](int i) BIMLP_INLINED { return vcvtq_f32_u32(v.part[i]); });
  }
  static F negate_if_odd(F z, F shifted) {
    return each([&](int i) BIMLP_INLINED {
      const uint32x4_t sign = vshlq_n_u32(vreinterpretq_u32_f32(shifted.part[i]), 31);
      return vreinterpretq_f32_u32(veorq_u32(vreinterpretq_u32_f32(z.part[i]), sign));
    });
  }
  static F times_power_of_two(F y, F shifted) {
    return each([&](int i) BIMLP_INLINED {
      const uint32x4_t n = vshlq_n_u32(vreinterpretq_u32_f32(shifted.part[i]), 23);
      return vreinterpretq_f32_u32(vaddq_u32(vreinterpretq_u32_f32(y.part[i]), n));
    });
  }
  struct LaneGather {
    const int32_t *index;
    LaneGather(const int32_t *from, int) : index(from) {}
    F operator()(const float *row) const {
      float lanes[kLanes];
      for (int l = 0; l < kLanes; ++l) lanes[l] = index[l] < 0 ? 0.0f : row[index[l]];
      return load(lanes);
    }
  };

  static B mismatch(const uint8_t *a, const uint8_t *b) { return veorq_u8(vld1q_u8(a), vld1q_u8(b)); }
  static B xor2(B a, B b) { return veorq_u8(a, b); }
  static B xor3(B a, B b, B c) { return veorq_u8(veorq_u8(a, b), c); }
  static B majority3(B a, B b, B c) { return vbslq_u8(veorq_u8(a, b), c, a); }
  static void store_bits(uint8_t *p, B v) { vst1q_u8(p, v); }
  // Byte i of `numbers`: the number whose bit d is bit i of slices[d], d < count.
  static void bitslice_to_bytes(const uint8_t *const *slices, int count, size_t bytes, uint8_t *numbers) {
    for (size_t i = 0; i < bytes; i += 2) {
      B n = vdupq_n_u8(0);
      for (int d = 0; d < count; ++d) {
        const B two = vcombine_u8(vdup_n_u8(slices[d][i]), vdup_n_u8(slices[d][i + 1]));
        n = vorrq_u8(n, vandq_u8(vtstq_u8(two, bit_of_byte()), vdupq_n_u8(static_cast<uint8_t>(1 << d))));
      }
      store_bits(numbers + 8 * i, n);
    }
  }
  static I load_counts(const uint8_t *p) {
    const B n = vld1q_u8(p);
    const uint16x8_t low = vmovl_u8(vget_low_u8(n)), high = vmovl_high_u8(n);
    return {{vmovl_u16(vget_low_u16(low)), vmovl_high_u16(low), vmovl_u16(vget_low_u16(high)), vmovl_high_u16(high)}};
  }

 protected:
  static B load_bits(const uint32_t *p) { return vreinterpretq_u8_u32(vld1q_u32(p)); }
  // A word in all lanes.
  static B repeat(const uint32_t *word) { return vreinterpretq_u8_u32(vld1q_dup_u32(word)); }

 private:
  // Lower halves of the lanes.
  static uint16x8_t halves(uint32x4_t low, uint32x4_t high) {
    return vuzp1q_u16(vreinterpretq_u16_u32(low), vreinterpretq_u16_u32(high));
  }
  static B bit_of_byte() { return vreinterpretq_u8_u64(vdupq_n_u64(0x8040201008040201)); }
};

// Ones are counted in bytes, which are added to the lanes before they are full.
struct Neon : NeonLanes {
  static constexpr const char *kName = "neon";
  static constexpr int kWordsPerByte = 31;  // words whose ones a byte can count

  // A function of its own: the bytes of a whole tile take half of the registers.
  template <int T, int J>
  static __attribute__((noinline)) void mismatches(const BitRuns &x, const uint32_t *weight, size_t,
                                                   I (&counts)[T][J]) {
    static_assert(J == 1);
    B sum[T][4];
    unrolled<4 * T>([&](auto i) BIMLP_INLINED {
      sum[i / 4][i % 4] = vdupq_n_u8(0);
      counts[i / 4][0].part[i % 4] = vdupq_n_u32(0);
    });
    int left = kWordsPerByte;
    for (int s = 0; s < x.runs; ++s) {
      const uint32_t *bits = x.run[s];
      for (int k = 0; k < x.length;) {
        const int last = x.length - k < left ? x.length : k + left;
        left -= last - k;
        for (; k < last; ++k, weight += kLanes) {
          B w[4];
          unrolled<4>([&](auto i) BIMLP_INLINED { w[i] = load_bits(weight + 4 * i); });
          unrolled<T>([&](auto t) BIMLP_INLINED {
            const B own = repeat(bits + t * x.step + k);
            unrolled<4>([&](auto i) BIMLP_INLINED { sum[t][i] = vaddq_u8(sum[t][i], vcntq_u8(veorq_u8(own, w[i]))); });
          });
        }
        if (left) continue;
        add_bytes(sum, counts);
        left = kWordsPerByte;
      }
    }
    if (left < kWordsPerByte) add_bytes(sum, counts);
  }

 private:
  // Adds the bytes to the counts and clears them.
  template <int T>
  static BIMLP_INLINE void add_bytes(B (&sum)[T][4], I (&counts)[T][1]) {
    unrolled<4 * T>([&](auto i) BIMLP_INLINED {
      uint32x4_t &count = counts[i / 4][0].part[i % 4];
      count = vpadalq_u16(count, vpaddlq_u8(sum[i / 4][i % 4]));
      sum[i / 4][i % 4] = vdupq_n_u8(0);
    });
  }
};

#ifdef __ARM_FEATURE_DOTPROD

// The dot product with ones adds the four bytes of a lane to it.
struct NeonDot : NeonLanes {
  static constexpr const char *kName = "neon_dot";

  template <int T, int J>
  static BIMLP_INLINE void mismatches(const BitRuns &x, const uint32_t *weight, size_t, I (&counts)[T][J]) {
    static_assert(J == 1);
    unrolled<4 * T>([&](auto i) BIMLP_INLINED { counts[i / 4][0].part[i % 4] = vdupq_n_u32(0); });
    const B one = vdupq_n_u8(1);
    for (int s = 0; s < x.runs; ++s) {
      const uint32_t *bits = x.run[s];
      for (int k = 0; k < x.length; ++k, weight += kLanes) {
        B w[4];
        unrolled<4>([&](auto i) BIMLP_INLINED { w[i] = load_bits(weight + 4 * i); });
        unrolled<T>([&](auto t) BIMLP_INLINED {
          const B own = repeat(bits + t * x.step + k);
          unrolled<4>([&](auto i) BIMLP_INLINED {
            uint32x4_t &count = counts[t][0].part[i];
            count = vdotq_u32(count, vcntq_u8(veorq_u8(own, w[i])), one);
          });
        });
      }
    }
  }
};

#endif

}  // namespace
}  // namespace bimlp
