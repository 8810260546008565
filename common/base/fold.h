/* fold: full case folding of Unicode (default caseless matching, without normalization). Both sides
 * of a comparison go through it. */
#ifndef COMMON_BASE_FOLD_H
#define COMMON_BASE_FOLD_H

#include "common/base/buf.h"

/* Appends s folded. A byte that is not UTF-8 becomes U+FFFD. */
void utf8_fold(struct buf *out, slice_t s);

#endif
