// Gradients of a binary convolution's input and weight by a processor's matrix unit (Intel AMX).
//
// Both products have an operand of signs, which bfloat16 holds exactly. The other one, float32, is the sum of three
// bfloat16 numbers of 8 significant bits each, exactly. So three products of bfloat16 with float32 sums are one of
// float32. A tile is 16 x 16 sums over 32 terms; numbers of two neighbouring terms lie side by side in its right
// operand.
#pragma once
#include "windows.h"

#if defined(__AMX_BF16__) && defined(__linux__)
#include <immintrin.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

namespace bimlp {

constexpr uint16_t kMinusOne = 0xbf80;  // bfloat16; +1 has another first bit
constexpr int64_t kTileRows = 16, kTileDepth = 32, kTilePair = 2 * kTileRows;

// Signs of n sums x + b in bfloat16. Of +1 and -1 the first bits differ.
inline void sign_bits(const float *x, float b, int64_t n, uint16_t *to) {
  typedef uint32_t Bits __attribute__((vector_size(sizeof(Vec))));
  typedef uint16_t Halves __attribute__((vector_size(sizeof(Vec) / 2)));
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    const VecInt above = load<Vec>(x + i) + splat<Vec>(b) > splat<Vec>(0);
    const Halves halves = __builtin_convertvector(kMinusOne ^ (reinterpret_cast<Bits>(above) & 0x8000u), Halves);
    std::memcpy(to + i, &halves, sizeof halves);
  }
  for (; i < n; ++i) to[i] = x[i] + b > 0 ? kMinusOne ^ 0x8000u : kMinusOne;
}

inline int64_t padded_channels(int64_t channels) { return (channels + kTilePair - 1) / kTilePair * kTilePair; }

#if defined(__AMX_BF16__) && defined(__linux__)

constexpr int kTerms = 3;
constexpr int64_t kChunk = 1024, kBackChunk = 256;  // positions whose operands stay in the L2 cache

// Whether the system lets this process use the matrix unit.
inline bool has_matrix_unit() {
  constexpr int kRequestPermission = 0x1023, kTileData = 18;  // ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA
  static const bool granted = syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
  return granted;
}

// Use of the matrix unit by the calling thread, all tiles 16 rows of 64 bytes.
class Tiles {
 public:
  Tiles() {
    struct {
      uint8_t palette = 1, start_row = 0, reserved[14] = {};
      uint16_t bytes[16] = {};
      uint8_t rows[16] = {};
    } shape;
    for (int tile = 0; tile < 8; ++tile) {
      shape.bytes[tile] = 64;
      shape.rows[tile] = kTileRows;
    }
    _tile_loadconfig(&shape);
  }
  ~Tiles() { _tile_release(); }
  Tiles(const Tiles &) = delete;

  void clear() {
    _tile_zero(0);
    _tile_zero(1);
    _tile_zero(2);
    _tile_zero(3);
  }

  // Rows of the left operand, `stride` bytes apart, 16 or, if there is a `lower` half, 32.
  void load_left(const uint16_t *upper, const uint16_t *lower, int64_t stride) {
    has_lower_ = lower != nullptr;
    _tile_loadd(4, upper, stride);
    if (has_lower_) _tile_loadd(5, lower, stride);
  }

  // Adds the products with 16 or 32 columns of the right operand, 16 rows of pairs that are `stride` bytes apart.
  void add(const uint32_t *right, int64_t stride, bool wide) {
    _tile_loadd(6, right, stride);
    _tile_dpbf16ps(0, 4, 6);
    if (has_lower_) _tile_dpbf16ps(2, 5, 6);
    if (!wide) return;
    _tile_loadd(7, right + kTileRows, stride);
    _tile_dpbf16ps(1, 4, 7);
    if (has_lower_) _tile_dpbf16ps(3, 5, 7);
  }

  // Stores the 32 x 32 sums, rows `stride` floats apart.
  void store(float *out, int64_t stride) {
    _tile_stored(0, out, stride * 4);
    _tile_stored(1, out + kTileRows, stride * 4);
    _tile_stored(2, out + kTileRows * stride, stride * 4);
    _tile_stored(3, out + kTileRows * stride + kTileRows, stride * 4);
  }

 private:
  bool has_lower_ = false;
};

typedef uint32_t VecBits __attribute__((vector_size(sizeof(Vec))));

// Pairs of bfloat16 numbers, the upper halves of two floats; takes them off the floats.
inline VecBits take_pairs(Vec &low, Vec &high) {
  const VecBits top_low = reinterpret_cast<VecBits>(low) & 0xffff0000u,
                top_high = reinterpret_cast<VecBits>(high) & 0xffff0000u;
  low -= reinterpret_cast<Vec>(top_low);
  high -= reinterpret_cast<Vec>(top_high);
  return top_low >> 16 | top_high;
}

// Pairs of channels at the positions [start, start + count), [channel / 32][term][16 pairs][count], from planes of
// floats.
inline const uint32_t *pair_channels(const float *planes, int64_t channels, int64_t room, int64_t start,
                                     int64_t count) {
  uint32_t *out = Scratch::get<uint32_t>(8, kTerms * padded_channels(channels) / 2 * count);
  for (int64_t pair = 0; pair < padded_channels(channels) / 2; ++pair) {
    const int64_t first = 2 * pair;
    uint32_t *to = out + (pair / kTileRows * kTerms * kTileRows + pair % kTileRows) * count;
    for (int64_t i = 0; i < count; i += kLanes) {
      Vec low = first < channels ? load<Vec>(planes + first * room + start + i) : Vec{};
      Vec high = first + 1 < channels ? load<Vec>(planes + (first + 1) * room + start + i) : Vec{};
      for (int term = 0; term < kTerms; ++term) {
        const VecBits bits = take_pairs(low, high);
        std::memcpy(to + term * kTileRows * count + i, &bits, sizeof bits);
      }
    }
  }
  return out;
}

// Transposes a 16 x 16 matrix.
inline void transpose(Vec (&rows)[kLanes]) {
  for (int step = 1; step < kLanes; step *= 2) {
    VecInt low, high;
    for (int i = 0; i < kLanes; ++i) {
      low[i] = i & step ? kLanes + (i ^ step) : i;
      high[i] = i & step ? kLanes + i : i ^ step;
    }
    for (int i = 0; i < kLanes; ++i) {
      if (i & step) continue;
      const Vec a = rows[i], b = rows[i + step];
      rows[i] = __builtin_shuffle(a, b, low);
      rows[i + step] = __builtin_shuffle(a, b, high);
    }
  }
}

// Pairs of positions, [term][position / 2][channel], from planes of floats.
inline const uint32_t *pair_positions(const Grid &grid, const float *planes, int64_t channels) {
  const int64_t width = padded_channels(channels), pairs = grid.size() / 2, blocks = width / kLanes;
  uint32_t *out = Scratch::get<uint32_t>(8, kTerms * pairs * width);
  thread_pool().each(grid.size() / kLanes, [&](int64_t item) {
    for (int64_t block = 0; block < blocks; ++block) {
      const int64_t first = block * kLanes;
      Vec rows[kLanes];
      for (int64_t c = 0; c < kLanes; ++c) {
        const float *from = planes + (first + c) * grid.room() + grid.margin() + item * kLanes;
        rows[c] = first + c < channels ? load<Vec>(from) : Vec{};
      }
      transpose(rows);
      for (int i = 0; i < kLanes; i += 2) {
        for (int term = 0; term < kTerms; ++term) {
          const VecBits bits = take_pairs(rows[i], rows[i + 1]);
          const int64_t pair = item * kLanes / 2 + i / 2;
          std::memcpy(out + (term * pairs + pair) * width + first, &bits, sizeof bits);
        }
      }
    }
  });
  return out;
}

// Left tiles of the weights' signs, [tap][input channel / 16][output channel / 32], w (out, in, taps).
inline uint16_t *sign_tiles(const float *w, int64_t in, int64_t out, int64_t taps) {
  const int64_t blocks = padded_channels(in) / kTileRows, steps = padded_channels(out) / kTileDepth;
  uint16_t *tiles = Scratch::get<uint16_t>(6, taps * blocks * steps * kTileRows * kTileDepth);
  thread_pool().each(blocks * steps, [&](int64_t item) {
    uint16_t *signs = Scratch::get<uint16_t>(9, kTileRows * taps);
    for (int64_t k = 0; k < kTileDepth; ++k) {
      const int64_t first = item / steps * kTileRows, o = item % steps * kTileDepth + k;
      const int64_t count = o < out ? std::clamp<int64_t>(in - first, 0, kTileRows) : 0;
      std::fill(signs, signs + kTileRows * taps, 0);
      if (count > 0) sign_bits(w + (o * in + first) * taps, 0, count * taps, signs);
      for (int64_t r = 0; r < kTileRows; ++r)
        for (int64_t t = 0; t < taps; ++t)
          tiles[((t * blocks * steps + item) * kTileRows + r) * kTileDepth + k] = signs[r * taps + t];
    }
  });
  return tiles;
}

// As multiply_back with the signs of w (out, in, taps) as operand. `planes` has room for padded_channels(in) channels.
inline void multiply_back_signs(const Grid &grid, const float *gradients, const float *w, int64_t in, int64_t out,
                                float *planes) {
  const int64_t room = grid.room(), margin = grid.margin(), stride = grid.phases() * room;
  const int64_t blocks = padded_channels(in) / kTileRows, steps = padded_channels(out) / kTileDepth;
  const uint16_t *left = sign_tiles(w, in, out, grid.taps());
  thread_pool().each((grid.size() + kBackChunk - 1) / kBackChunk, [&](int64_t item) {
    const int64_t start = item * kBackChunk, count = std::min(kBackChunk, grid.size() - start);
    const int64_t width = (count + 2 * margin + kLanes - 1) / kLanes * kLanes;
    const uint32_t *right = pair_channels(gradients, out, room, start, width) + margin;
    Tiles tiles;
    for (int64_t job = 0; job < grid.phases() * blocks / 2; ++job) {
      const int64_t phase = job % grid.phases(), block = job / grid.phases() * 2;
      const bool two = in > (block + 1) * kTileRows;
      float *to = planes + block * kTileRows * stride + phase * room + margin + start;
      for (int64_t p = 0; p < count; p += kTilePair) {
        tiles.clear();
        for (int64_t t = 0; t < grid.taps(); ++t) {
          if (grid.phase(t) != phase) continue;
          for (int64_t step = 0; step < steps; ++step) {
            const uint16_t *tile = left + ((t * blocks + block) * steps + step) * kTileRows * kTileDepth;
            tiles.load_left(tile, two ? tile + steps * kTileRows * kTileDepth : nullptr, kTileDepth * 2);
            for (int term = 0; term < kTerms; ++term)
              tiles.add(right + (step * kTerms + term) * kTileRows * width + p - grid.shift(t), width * 4, true);
          }
        }
        tiles.store(to + p, stride);
      }
    }
  });
}

// As multiply_transposed with planes of signs, bfloat16 and 0 where there is no input, for padded_channels(in)
// channels.
inline void multiply_transposed_signs(const Grid &grid, const float *gradients, const uint16_t *signs, int64_t in,
                                      int64_t out, float *dweight) {
  const int64_t taps = grid.taps(), rows = padded_channels(in), width = padded_channels(out);
  const int64_t room = grid.phases() * grid.room(), term_size = grid.size() / 2 * width;
  const uint32_t *right = pair_positions(grid, gradients, out);
  float *sums = Scratch::get<float>(7, taps * rows * width);
  std::fill(sums, sums + taps * rows * width, 0.0f);
  const int64_t items = taps * rows / kTilePair, groups = thread_pool().size();
  thread_pool().each(groups, [&](int64_t group) {
    Tiles tiles;
    alignas(64) float part[kTilePair * kTilePair];
    for (int64_t start = 0; start < grid.size(); start += kChunk) {
      for (int64_t item = items * group / groups; item < items * (group + 1) / groups; ++item) {
        const int64_t t = item % taps, c = item / taps * kTilePair;
        const uint16_t *left = signs + c * room + grid.phase(t) * grid.room() + grid.margin() + grid.shift(t);
        for (int64_t o = 0; o < width; o += kTilePair) {
          tiles.clear();
          for (int64_t p = start; p < std::min(grid.size(), start + kChunk); p += kTileDepth) {
            tiles.load_left(left + p, in > c + kTileRows ? left + kTileRows * room + p : nullptr, room * 2);
            for (int term = 0; term < kTerms; ++term)
              tiles.add(right + term * term_size + p / 2 * width + o, width * 4, out > o + kTileRows);
          }
          tiles.store(part, kTilePair);
          float *to = sums + (t * rows + c) * width + o;
          for (int64_t r = 0; r < kTilePair; ++r)
            for (int64_t k = 0; k < kTilePair; ++k) to[r * width + k] += part[r * kTilePair + k];
        }
      }
    }
  });
  thread_pool().each((out + kTileRows - 1) / kTileRows, [&](int64_t block) {
    const int64_t first = block * kTileRows, count = std::min(kTileRows, out - first);
    for (int64_t c = 0; c < in; ++c)
      for (int64_t o = 0; o < count; ++o)
        for (int64_t t = 0; t < taps; ++t)
          dweight[((first + o) * in + c) * taps + t] = sums[(t * rows + c) * width + first + o];
  });
}

#else

inline bool has_matrix_unit() { return false; }
inline void multiply_back_signs(const Grid &, const float *, const float *, int64_t, int64_t, float *) {}
inline void multiply_transposed_signs(const Grid &, const float *, const uint16_t *, int64_t, int64_t, float *) {}

#endif

}  // namespace bimlp
