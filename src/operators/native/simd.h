// A vector type, and operations that take a vector or a single float.
#pragma once
#include <cmath>
#include <cstdint>
#include <cstring>

namespace bimlp {

#if defined(__AVX512F__)
constexpr int kLanes = 16;
#else
constexpr int kLanes = 8;
#endif

typedef float Vec __attribute__((vector_size(kLanes * sizeof(float))));
typedef int32_t VecInt __attribute__((vector_size(kLanes * sizeof(int32_t))));

template <class T>
inline T load(const float *p) {
  T v;
  std::memcpy(&v, p, sizeof v);
  return v;
}

template <class T>
inline void store(float *p, T v) {
  std::memcpy(p, &v, sizeof v);
}

inline Vec select(VecInt mask, Vec a, Vec b) { return mask ? a : b; }
inline float select(bool mask, float a, float b) { return mask ? a : b; }

// v in every lane. The compiler removes the subtraction, for v - 0 is v for every v.
template <class T>
inline T splat(float v) {
  return v - T{};
}

// Operations on T for ../../native/polynomials.h.
template <class T>
struct Arithmetic {
  static T set(float v) { return splat<T>(v); }
  static T fma(T a, T b, T c) { return a * b + c; }
};

template <class T>
inline T maximum(T a, T b) {
  return select(a > b, a, b);
}

template <class T>
inline T minimum(T a, T b) {
  return select(a < b, a, b);
}

// +1 or -1, with sign(0) = sign(nan) = -1.
template <class T>
inline T sign(T v) {
  return select(v > splat<T>(0), splat<T>(1), splat<T>(-1));
}

// Whether |v| <= 1.
template <class T>
inline auto within_one(T v) {
  return (v <= splat<T>(1)) & (v >= splat<T>(-1));
}

// Conversion to integers, truncated, and back.
inline VecInt to_integer(Vec v) { return __builtin_convertvector(v, VecInt); }
inline int32_t to_integer(float v) { return static_cast<int32_t>(v); }
inline Vec to_float(VecInt v) { return __builtin_convertvector(v, Vec); }
inline float to_float(int32_t v) { return static_cast<float>(v); }

// 2^n for -126 <= n <= 127.
inline Vec power_of_two(VecInt n) { return reinterpret_cast<Vec>((n + 127) << 23); }
inline float power_of_two(int32_t n) {
  const int32_t bits = (n + 127) << 23;
  float v;
  std::memcpy(&v, &bits, sizeof v);
  return v;
}

inline float square_root(float v) { return __builtin_sqrtf(v); }
inline Vec square_root(Vec v) {
  Vec root = v;
  for (int i = 0; i < kLanes; ++i) root[i] = __builtin_sqrtf(v[i]);
  return root;
}

typedef float Four __attribute__((vector_size(4 * sizeof(float))));

// Sum of all lanes, by halves, so that few additions wait for each other.
inline float lanes_sum(Vec v) {
  Four parts[kLanes / 4];
  std::memcpy(parts, &v, sizeof v);
  for (int width = kLanes / 8; width > 0; width /= 2) {
    for (int i = 0; i < width; ++i) parts[i] += parts[i + width];
  }
  return (parts[0][0] + parts[0][1]) + (parts[0][2] + parts[0][3]);
}

// Sum of a row, in an order that depends on its length alone.
class Sum {
 public:
  void add(Vec v) { lanes_ += v; }
  void add(float v) { rest_ += v; }
  float total() const { return lanes_sum(lanes_) + rest_; }

 private:
  Vec lanes_{};
  float rest_ = 0;
};

// Loop over [0, n): f(Vec{}, i) for whole vectors, then f(float{}, i) for each number that remains.
template <class F>
inline void for_vectors(int64_t n, F f) {
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) f(Vec{}, i);
  for (; i < n; ++i) f(float{}, i);
}

}  // namespace bimlp
