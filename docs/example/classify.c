/* classify model.packed pixels: the most likely class of each image. pixels: a file of count x S x S x 3 bytes. */
#include <bimlp.h>
#include <stdio.h>
#include <stdlib.h>

static int fail(const char *message) {
  fprintf(stderr, "error: %s\n", message);
  return 1;
}

int main(int count, char **arguments) {
  bimlp_engine *engine;
  FILE *file;
  if (count != 3) return fail("expected a packed file and a file of pixels");
  if (bimlp_open(arguments[1], 1, &engine)) return fail(bimlp_last_error());
  if (!(file = fopen(arguments[2], "rb"))) return fail("the file of pixels cannot be read");

  const int size = bimlp_image_size(engine), classes = bimlp_classes(engine);
  const size_t bytes = (size_t)size * size * 3;
  unsigned char *pixels = malloc(bytes);
  float *logits = malloc(classes * sizeof *logits);
  if (!pixels || !logits) return fail("not enough memory");
  while (fread(pixels, 1, bytes, file) == bytes) {
    int best = 0;
    if (bimlp_run_pixels(engine, pixels, 1, logits)) return fail(bimlp_last_error());
    for (int k = 1; k < classes; ++k) {
      if (logits[k] > logits[best]) best = k;
    }
    printf("%d\n", best);
  }
  free(pixels);
  free(logits);
  fclose(file);
  bimlp_close(engine);
  return 0;
}
