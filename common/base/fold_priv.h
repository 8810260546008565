/* The table behind fold. */
#ifndef COMMON_BASE_FOLD_PRIV_H
#define COMMON_BASE_FOLD_PRIV_H

#include "common/base/base.h"

/* Every stride-th code point of first..last folds to itself plus delta. Ascending. */
struct fold_run {
	uint32_t first, last;
	uint32_t stride;
	int32_t delta;
};
extern const struct fold_run fold_runs[];
extern const size_t fold_nruns;

/* One that folds to several. Ascending; unused ones are 0. */
struct fold_full {
	uint32_t cp;
	uint32_t to[3];
};
extern const struct fold_full fold_fulls[];
extern const size_t fold_nfulls;

#endif
