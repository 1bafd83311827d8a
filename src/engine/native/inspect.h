/* Interface of the engine for tests and benchmarks, beyond bimlp.h. It may change with every version. */
#ifndef BIMLP_INSPECT_H
#define BIMLP_INSPECT_H

#include "bimlp.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Names of the instruction sets of this build and processor, the best first, separated by spaces. */
BIMLP_API const char *bimlp_instruction_sets(void);

/* Operations that a packed file can hold, a line each: number, name, inputs; attributes; tensors. */
BIMLP_API const char *bimlp_ops(void);

/* Seconds that `count` images (as in bimlp_run_numbers) take, by kind of operation, and the names of the kinds,
 * separated by line feeds. An error for an engine of several threads. */
BIMLP_API int bimlp_profile(bimlp_engine *engine, const float *images, int count, double *seconds);
BIMLP_API const char *bimlp_op_kinds(void);

#ifdef __cplusplus
}
#endif
#endif
