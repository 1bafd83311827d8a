// Wave of the PATM: (theta, z) -> [z cos theta, z sin theta], 2 C channels, forward and backward.
#include "../../native/polynomials.h"
#include "pool.h"
#include "simd.h"
#include "tensors.h"

namespace bimlp {
namespace {

constexpr int64_t kChunk = 4096;  // numbers in one work item of a thread

// cos and sin to 4e-7 for |theta| <= 1e3: theta = 2 pi k + 2 h with |h| <= pi / 2, cos = 1 - 2 sin^2 h,
// sin = 2 sin h cos h, by polynomials of h. PolynomialCosSin of the fast backend has the same ones.
template <class T>
inline void cos_sin(T theta, T &cosine, T &sine) {
  // rounding by adding 1.5 * 2^23: exact for |turns| < 2^22
  const T magic = splat<T>(12582912.0f);
  const T turns = (theta * 0.15915494309189535f + magic) - magic;
  const T h = (theta - turns * 6.28125f - turns * 1.9353071795864769e-3f) * 0.5f;
  const T u = h * h;
  const T s = polynomial<Arithmetic<T>>(u, kSinPolynomial) * u * h + h;
  const T c = polynomial<Arithmetic<T>>(u, kCosPolynomial) * u;
  const T doubled = s + s;
  cosine = splat<T>(1) - doubled * s;
  sine = doubled * c + doubled;
}

template <class F>
void each_chunk(int64_t size, F f) {
  thread_pool().each((size + kChunk - 1) / kChunk, [&](int64_t chunk) {
    const int64_t start = chunk * kChunk;
    for_vectors(std::min(kChunk, size - start), [&](auto tag, int64_t i) { f(tag, start + i); });
  });
}

}  // namespace

OPERATOR(wave_forward) {
  const float *theta = t.get(0), *z = t.get(1);
  const int64_t size = t.size(0);
  float *real = t.get(2), *imaginary = real + size;
  each_chunk(size, [&](auto tag, int64_t i) {
    using T = decltype(tag);
    T cosine, sine, amplitude = load<T>(z + i);
    cos_sin(load<T>(theta + i), cosine, sine);
    store(real + i, amplitude * cosine);
    store(imaginary + i, amplitude * sine);
  });
}

OPERATOR(wave_backward) {
  const float *dreal = t.get(0), *theta = t.get(1), *z = t.get(2);
  float *dtheta = t.get(3), *dz = t.get(4);
  const int64_t size = t.size(1);
  const float *dimaginary = dreal + size;
  each_chunk(size, [&](auto tag, int64_t i) {
    using T = decltype(tag);
    T cosine, sine, real = load<T>(dreal + i), imaginary = load<T>(dimaginary + i);
    cos_sin(load<T>(theta + i), cosine, sine);
    store(dz + i, real * cosine + imaginary * sine);
    store(dtheta + i, load<T>(z + i) * (imaginary * cosine - real * sine));
  });
}

}  // namespace bimlp
