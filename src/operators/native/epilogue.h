// Epilogue of a binary layer for one output channel: BatchNorm, shortcut, RPReLU; forward and backward.
#pragma once
#include "norm_rprelu.h"
#include "saved.h"
#include "settings.h"

namespace bimlp {

// Parameters of the epilogue, as the forward pass gets them.
struct EpilogueParameters {
  const float *gamma, *beta, *b1, *slope, *b2;
  Running running;
};

// Output y of channel o from its n sums and its shortcut (null for none). Saves what the backward pass needs.
inline void epilogue_forward(int64_t o, const float *sums, const float *shortcut, int64_t n, float scale, bool training,
                             const EpilogueParameters &p, const Saved &saved, float *y) {
  const Statistics used = p.running.use(o, sums, n, scale, training);
  saved.set(o, p.gamma[o], p.beta[o], p.b1[o], p.slope[o], used.mean, used.variance);
  activation_forward(sums, shortcut, n, affine_of(used, p.gamma[o], p.beta[o], scale), {p.b1[o], p.slope[o], p.b2[o]},
                     y);
}

// Gradients of these parameters.
struct EpilogueGradients {
  float *gamma, *beta, *b1, *slope, *b2;
};

// Gradient dt of the sum with the shortcut unless it is null, and the gradient of the layer's sums as a function of dt
// and the sums.
inline NormGradients epilogue_backward(int64_t o, const float *dy, const float *sums, const float *shortcut, int64_t n,
                                       float scale, bool training, const Saved &saved, const EpilogueGradients &g,
                                       float *dt) {
  const Statistics used{saved.mean[o], saved.variance[o]};
  const ActivationGradients act =
      activation_backward(dy, sums, shortcut, n, affine_of(used, saved.gamma[o], saved.beta[o], scale),
                          {scale, -used.mean}, {saved.b1[o], saved.slope[o], 0}, dt);
  g.b1[o] = act.b1;
  g.slope[o] = act.slope;
  g.b2[o] = act.b2;
  const NormGradients norm = norm_gradients(act.b1, act.product, n, used, saved.gamma[o], scale, training);
  g.gamma[o] = norm.gamma;
  g.beta[o] = norm.beta;
  return norm;
}

}  // namespace bimlp
