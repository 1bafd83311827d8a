// AdamW step over all parameters, with gradients clipped to a global norm.
//
// Inputs: coefficients (rate, eps, decay, beta1, beta2, clip_norm; with a loss scale also its inverse, by which the
// gradients are multiplied first), decays (n, 1 with weight decay, else 0), n weights, n first moments, n second
// moments, n gradients, loss (1). Output: norm of the gradients before clipping. Weights and moments change in place,
// unless norm or loss is not finite.
#include <atomic>
#include <cmath>

#include "pool.h"
#include "scratch.h"
#include "simd.h"
#include "tensors.h"

namespace bimlp {
namespace {
std::atomic<int64_t> updates{0};

// Counts a run at its end.
struct Counted {
  ~Counted() { ++updates; }
};
}  // namespace

// Number of times that the operator has run in this process.
extern "C" int64_t adamw_updates() { return updates; }

OPERATOR(adamw) {
  const Counted counted;
  const int n = (t.count() - 4) / 4;
  const float *coefficients = t.get(0), *decays = t.get(1);
  const float rate = coefficients[0], eps = coefficients[1], decay = coefficients[2], beta1 = coefficients[3],
              beta2 = coefficients[4];
  const float clip_norm = coefficients[5], unscale = t.size(0) > 6 ? coefficients[6] : 1.0f;
  ThreadPool &pool = thread_pool();

  double *squares = Scratch::get<double>(0, n);
  pool.each(n, [&](int64_t p) {
    const float *g = t.get(2 + 3 * n + p);
    Sum sum;
    for_vectors(t.size(2 + p), [&](auto tag, int64_t i) {
      auto v = unscale * load<decltype(tag)>(g + i);
      sum.add(v * v);
    });
    squares[p] = sum.total();
  });
  double total = 0;
  for (int p = 0; p < n; ++p) total += squares[p];
  const float norm = static_cast<float>(std::sqrt(total));
  t.get(3 + 4 * n)[0] = norm;
  const float loss = t.get(2 + 4 * n)[0];
  if (!std::isfinite(norm) || !std::isfinite(loss)) return;
  const float scale = clip_norm > 0 ? std::fmin(clip_norm / (norm + 1e-6f), 1.0f) : 1.0f;

  pool.each(n, [&](int64_t p) {
    float *w = t.get(2 + p), *m = t.get(2 + n + p), *v = t.get(2 + 2 * n + p);
    const float *g = t.get(2 + 3 * n + p);
    const float shrink = 1 - rate * decay * decays[p];
    for_vectors(t.size(2 + p), [&](auto tag, int64_t i) {
      using T = decltype(tag);
      const T gradient = scale * (unscale * load<T>(g + i));
      const T first = beta1 * load<T>(m + i) + (1 - beta1) * gradient;
      const T second = beta2 * load<T>(v + i) + (1 - beta2) * gradient * gradient;
      store(m + i, first);
      store(v + i, second);
      store(w + i, shrink * load<T>(w + i) - rate * first / (square_root(second) + splat<T>(eps)));
    });
  });
}

}  // namespace bimlp
