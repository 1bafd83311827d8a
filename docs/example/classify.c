/* classify model.packed pixels: the most likely class of each image. pixels: a file of count x S x S x 3 bytes. */
#include <bimlp.h>
#include <stdio.h>
#include <stdlib.h>

enum { kThreads = 4, kBatch = 16 };

/* The program's own threads, here OpenMP's; without OpenMP one item follows the other. */
static void parallel(void *pool, int items, void (*item)(void *context, int i), void *context) {
  (void)pool;
#pragma omp parallel for schedule(dynamic, 1)
  for (int i = 0; i < items; ++i) item(context, i);
}

static int fail(const char *message) {
  fprintf(stderr, "error: %s\n", message);
  return 1;
}

int main(int count, char **arguments) {
  bimlp_engine *engine;
  FILE *file;
  if (count != 3) return fail("expected a packed file and a file of pixels");
  if (bimlp_open(arguments[1], kThreads, &engine)) return fail(bimlp_last_error());
  if (bimlp_set_parallel(engine, parallel, NULL)) return fail(bimlp_last_error());
  if (!(file = fopen(arguments[2], "rb"))) return fail("the file of pixels cannot be read");

  const int size = bimlp_image_size(engine), classes = bimlp_classes(engine);
  const size_t bytes = (size_t)size * size * 3;
  unsigned char *pixels = malloc(kBatch * bytes);
  float *logits = malloc(kBatch * classes * sizeof *logits);
  int images;
  if (!pixels || !logits) return fail("not enough memory");
  while ((images = (int)fread(pixels, bytes, kBatch, file)) > 0) {
    if (bimlp_run_pixels(engine, pixels, images, logits)) return fail(bimlp_last_error());
    for (int i = 0; i < images; ++i) {
      const float *of = logits + (size_t)i * classes;
      int best = 0;
      for (int k = 1; k < classes; ++k) {
        if (of[k] > of[best]) best = k;
      }
      printf("%d\n", best);
    }
  }
  free(pixels);
  free(logits);
  fclose(file);
  bimlp_close(engine);
  return 0;
}
