/* Four doubles side by side, in the portable vector types of gcc and clang.

   Compiled twice by kernel.c, once for any processor and once for AVX2 and FMA. Nothing here
   relies on finite-math flags: numbers that are not finite are found before they get here. */
#ifndef VPP_VECTORS_H
#define VPP_VECTORS_H

#include <stdint.h>
#include <string.h>

#define PACK 4 /* rows in a packed block of several products */
#define BLOCK 2048 /* rows added up before the sum is carried on: keeps rounding small */
#define HUGE_NUMBER 1.7976931348623157e308
#define LARGEST 1e21 /* sums and prices beyond this are taken for an overflow */
#define ROUNDS_MAX 200
#define SAMPLE_MAX 1024

/* Columns of a product in a packed block of PACK rows. */
enum { PACKED_c, PACKED_q, PACKED_w, PACKED_low, PACKED_high, PACKED_r, COLUMNS };
#define AT(block, column, p) ((block) + ((p) * COLUMNS + (column)) * PACK)

typedef double v4 __attribute__((vector_size(32)));
typedef int64_t m4 __attribute__((vector_size(32)));
typedef double v8 __attribute__((vector_size(64)));
typedef int64_t m8 __attribute__((vector_size(64)));

#define INLINE static inline __attribute__((always_inline))
#define LOAD(target, pointer) memcpy(&(target), (pointer), sizeof(vec))
#define STORE(pointer, source) memcpy((pointer), &(source), sizeof(vec))
#define SPREAD(number) ((vec){0} + (number))
#define ADD_UP4(a) (((a)[0] + (a)[1]) + ((a)[2] + (a)[3]))
#define ADD_UP8(a) (ADD_UP4(a) + (((a)[4] + (a)[5]) + ((a)[6] + (a)[7])))

#endif
