/* Interface of the engine for tests and benchmarks, beyond bimlp.h. It may change with every version. */
#ifndef BIMLP_INSPECT_H
#define BIMLP_INSPECT_H

#include "bimlp.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Names of the instruction sets of this build and processor, the best first, separated by spaces. */
BIMLP_API const char *bimlp_instruction_sets(void);

/* Seconds that `count` images (as in bimlp_run_numbers) take, by kind of operation, and the names of the kinds,
 * separated by line feeds. An error for an engine of several threads. */
BIMLP_API int bimlp_profile(bimlp_engine *engine, const float *images, int count, double *seconds);
BIMLP_API const char *bimlp_op_kinds(void);

/* Runs one image and calls `trace` for the bits that each binary layer reads: rows of 32-bit words, `count` tokens from
 * `token` on. The two inputs of a local FC's group come in `bits` and `odd`; else odd is null. */
typedef void (*bimlp_trace_function)(void *user, int layer, int token, int count, const uint32_t *bits,
                                     const uint32_t *odd);
BIMLP_API int bimlp_trace(bimlp_engine *engine, const float *image, bimlp_trace_function trace, void *user,
                          float *logits);

/* Channels of these bits, or -1 for padding: `slots` of them in *order, for input `group` of the layer's groups. */
BIMLP_API int bimlp_layer_order(const bimlp_engine *engine, int layer, int group, const int32_t **order, int *slots);

/* Binary layer alone, on one instruction set. Tensors as in a packed file (weight: words of bits). */
typedef struct {
  const float *shift;
  const uint32_t *weight;
  const float *factor, *offset, *slope, *shift_out;
} bimlp_layer;
/* x: tokens x inputs; shortcut, out: tokens x outputs. */
BIMLP_API int bimlp_channel_layer(const char *instruction_set, const bimlp_layer *layer, int inputs, int outputs,
                                  int tokens, const float *x, const float *shortcut, float *out);
/* x: size x size x (groups * channels); shortcut, out: size x size x channels. */
BIMLP_API int bimlp_local_layer(const char *instruction_set, const bimlp_layer *layer, int groups, int channels,
                                int size, int height, const float *x, const float *shortcut, float *out);

#ifdef __cplusplus
}
#endif
#endif
