/* C interface of the engine: networks with one-bit weights and activations on a CPU, from packed files.
 *
 *   bimlp_engine *engine;
 *   if (bimlp_open("model.packed", 1, &engine)) { puts(bimlp_last_error()); return 1; }
 *   bimlp_run_pixels(engine, pixels, 1, logits);
 *   bimlp_close(engine);
 *
 * A function of type int returns 0, or 1 after an error, which bimlp_last_error() describes in one line.
 *
 * Threads: any thread may call any function at any time. Runs of one engine wait for each other, runs of different
 * engines do not. Threads that shall run at the same time open an engine each.
 * Forks: a process may fork at any time, also while another thread is in a call. The child can use the engine and must
 * close its copy itself. The first run in the child makes threads and maps of its own.
 * Not allowed: a call in a signal handler.
 * Versions: a program that was compiled with version a.b runs with every library of version a.c, c >= b.
 */
#ifndef BIMLP_H
#define BIMLP_H

#include <stddef.h>
#include <stdint.h>

#if defined(__GNUC__)
#define BIMLP_API __attribute__((visibility("default")))
#else
#define BIMLP_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* Version of this header. */
#define BIMLP_VERSION_MAJOR 1
#define BIMLP_VERSION_MINOR 0
#define BIMLP_VERSION_PATCH 0
#define BIMLP_VERSION (10000 * BIMLP_VERSION_MAJOR + 100 * BIMLP_VERSION_MINOR + BIMLP_VERSION_PATCH)

/* BIMLP_VERSION of the library. */
BIMLP_API int bimlp_version(void);

typedef struct bimlp_engine bimlp_engine;

/* Opens a packed file. threads: 1 to 256. The instruction set is the best one of the processor, or the one that the
 * environment variable BIMLP_INSTRUCTION_SET names (scalar, avx2, avx512, neon, ..). It is an error if the processor or
 * the build lacks it. BIMLP_PLAN names how the network runs: fused (the default), or plain, one operation after the
 * other. */
BIMLP_API int bimlp_open(const char *path, int threads, bimlp_engine **engine);
BIMLP_API int bimlp_open_bytes(const void *bytes, size_t size, int threads, bimlp_engine **engine);
/* Waits for the calls under way and frees the engine. No call may begin after this one. Null is allowed. */
BIMLP_API void bimlp_close(bimlp_engine *engine);
/* Waits for the calls under way. */
BIMLP_API void bimlp_wait(bimlp_engine *engine);

/* Description of an engine as one JSON object: variant, instruction set, threads, image size, classes, .. Valid until
 * bimlp_close. */
BIMLP_API const char *bimlp_describe(const bimlp_engine *engine);
/* S, the side of an image in pixels, and the number of classes. */
BIMLP_API int bimlp_image_size(const bimlp_engine *engine);
BIMLP_API int bimlp_classes(const bimlp_engine *engine);

/* Logits (count x classes) of images. Pixels: uint8, count x S x S x 3. Numbers: float, count x 3 x S x S,
 * (pixel / 255 - mean) / std. Errors: a number that is not finite; logits, or numbers that lead to them, that are not
 * finite, for huge numbers in the file or the image. After an error all logits are NaN. Results do not depend on the
 * process's locale and floating-point mode. */
BIMLP_API int bimlp_run_pixels(bimlp_engine *engine, const uint8_t *images, int count, float *logits);
BIMLP_API int bimlp_run_numbers(bimlp_engine *engine, const float *images, int count, float *logits);

/* A parallel loop of the host program: calls item(context, i) once for every i from 0 to items - 1, in any order, on
 * any threads, also one after the other, and returns when all have ended. */
typedef void bimlp_parallel(void *pool, int items, void (*item)(void *context, int i), void *context);

/* Later runs of the engine share their images, or the rows of an image, by this loop instead of threads of the engine's
 * own: parallel(pool, threads of bimlp_open, ..), some hundred times for an image whose rows are shared. Null: threads
 * of its own again. Logits are the same to the bit. A thread that waits in `parallel` must not begin a call of the same
 * engine, which would wait for itself. A forked process lacks the host's threads: there it has threads of its own. */
BIMLP_API int bimlp_set_parallel(bimlp_engine *engine, bimlp_parallel *parallel, void *pool);

/* Last error of the calling thread. */
BIMLP_API const char *bimlp_last_error(void);

#ifdef __cplusplus
}
#endif
#endif
