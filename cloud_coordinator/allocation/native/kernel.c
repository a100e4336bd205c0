/* Inner loops of the allocation: plain C, no Python.h, called by ctypes.

   Rows lie in groups side by side: group k holds rows starts[k] up to starts[k + 1]. Sizes
   and pointers are the caller's promise; every loop has a fixed limit; nothing is allocated.
   The Python rooms around it (rows_compiled.py) say what each argument means. */
#include "vectors.h"

#if defined(_WIN32)
#define EXPORT __declspec(dllexport)
#else
#define EXPORT __attribute__((visibility("default")))
#endif

typedef void (*product_pass)(const double *, int64_t, const double *, const double *, double,
                             double *);

/* Any processor: the compiler makes of the vectors what it has. */
#define vec v4
#define mask m4
#define LANES 4
#define ADD_UP ADD_UP4
#define NAME(name) any_##name
#define CHOOSE(which, yes, no) ((vec)(((mask)(yes) & (which)) | ((mask)(no) & ~(which))))
#define LEAST(a, b) CHOOSE((a) < (b), (a), (b))
#define MOST(a, b) CHOOSE((a) > (b), (a), (b))
#include "price.inc"
#include "products.inc"
#undef NAME
#undef CHOOSE
#undef LEAST
#undef MOST

#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
#include <immintrin.h>

#pragma GCC push_options
#pragma GCC target("avx2,fma")
#define NAME(name) wide_##name
#define CHOOSE(which, yes, no) ((vec)_mm256_blendv_pd((no), (yes), (vec)(which)))
#define LEAST(a, b) ((vec)_mm256_min_pd((a), (b)))
#define MOST(a, b) ((vec)_mm256_max_pd((a), (b)))
#include "price.inc"
#include "products.inc"
#pragma GCC pop_options

#undef vec
#undef mask
#undef LANES
#undef ADD_UP
#undef NAME
#undef CHOOSE
#undef LEAST
#undef MOST
#pragma GCC push_options
#pragma GCC target("avx512f,avx512dq,avx512vl,fma")
#define vec v8
#define mask m8
#define LANES 8
#define ADD_UP ADD_UP8
#define NAME(name) widest_##name
#define CHOOSE(which, yes, no) ((vec)(((mask)(yes) & (which)) | ((mask)(no) & ~(which))))
#define LEAST(a, b) ((vec)_mm512_min_pd((a), (b)))
#define MOST(a, b) ((vec)_mm512_max_pd((a), (b)))
#include "price.inc"
#pragma GCC pop_options

static int wide(void)
{
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
}

static int widest(void)
{
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq")
        && __builtin_cpu_supports("avx512vl") && wide();
}
#define PICK(name) (wide() ? wide_##name : any_##name)
#define PICK_PRICE(name) (widest() ? widest_##name : PICK(name))
#else
#define PICK(name) any_##name
#define PICK_PRICE(name) any_##name
#endif

#define GROUP(at) (which ? which[at] : (at))

/* Version of what the arguments mean; the caller refuses another. */
EXPORT int64_t vpp_kernel_version(void)
{
    return 1;
}

/* A price to begin with, from a sample of all rows. */
EXPORT double vpp_price_guess(int64_t rows, const double *c, const double *q, const double *low,
                              const double *high, double required)
{
    return PICK_PRICE(guess)(c, q, low, high, rows, required);
}

/* What moving four columns in and one out costs: the floor that a benchmark compares with. */
EXPORT void vpp_memory_floor(int64_t rows, const double *c, const double *q, const double *low,
                             const double *high, double *x)
{
    PICK_PRICE(floor)(c, q, low, high, rows, x);
}

/* Returns how many groups hold a row that is not sound. facts: 8 per group. */
EXPORT int64_t vpp_price_survey(int64_t groups, const int64_t *starts, const double *c,
                                const double *q, const double *low, const double *high,
                                double price, double *facts)
{
    int64_t bad = 0;
    for (int64_t k = 0; k < groups; k++) {
        bad += PICK_PRICE(survey)(c, q, low, high, starts[k], starts[k + 1], price, facts + 8 * k);
    }
    return bad;
}

/* Copies c and q so that each row's price rises by at least `least` from low to high. */
EXPORT void vpp_price_steepen(int64_t rows, const double *c, const double *q, const double *low,
                              const double *high, double least, double *steep_c, double *steep_q)
{
    for (int64_t i = 0; i < rows; i++) {
        const double span = high[i] - low[i];
        const int flat = span > 0.0 && q[i] * span < least;
        steep_q[i] = flat ? least / span : q[i];
        steep_c[i] = flat ? c[i] + q[i] * low[i] - steep_q[i] * low[i] : c[i];
    }
}

EXPORT void vpp_price_sums(int64_t count, const int64_t *which, const int64_t *starts,
                           const double *c, const double *q, const double *low,
                           const double *high, const double *price, double *sum, double *slope)
{
    for (int64_t at = 0; at < count; at++) {
        const int64_t k = GROUP(at);
        PICK_PRICE(sums)(c, q, low, high, starts[k], starts[k + 1], price[at], sum + at, slope + at);
    }
}

/* start: where to begin; known: sum and slope there. exact and unseen: tolerance of the sum,
   and what may be missing for the last step to be taken unseen, relative to the leaf's size.
   answers: 3 per entry. */
EXPORT void vpp_price_roots(int64_t count, const int64_t *which, const int64_t *starts,
                            const double *c, const double *q, const double *low,
                            const double *high, const double *facts, const double *target,
                            const double *start, const double *known, double exact,
                            double unseen, double *answers)
{
    for (int64_t at = 0; at < count; at++) {
        const int64_t k = GROUP(at);
        const double *fact = facts + 8 * k;
        double *answer = answers + 3 * at;
        if (!(fact[4] > fact[3]) || target[at] <= fact[0] || target[at] >= fact[1]) {
            const int all = target[at] >= fact[1] && target[at] > fact[0];
            answer[0] = answer[1] = fact[4] >= fact[3] ? (all ? fact[4] : fact[3]) : 0.0;
            answer[2] = 0.0;
            continue;
        }
        const double limits[4] = {exact * fact[2], unseen * fact[2], fact[3], fact[4]};
        PICK_PRICE(root)(c, q, low, high, starts[k], starts[k + 1], target[at], start[at],
                         known + 2 * at, limits, answer);
    }
}

/* Powers at the answers of all groups; sums: of each group; facts: cost, gap, sum and slope of
   all rows. */
EXPORT void vpp_price_finish(int64_t groups, const int64_t *starts, const double *c,
                             const double *q, const double *low, const double *high,
                             const double *steep_c, const double *steep_q,
                             const double *answers, double *x, double *sums, double *facts)
{
    memset(facts, 0, 4 * sizeof(double));
    for (int64_t k = 0; k < groups; k++) {
        double part[4] = {0.0, 0.0, 0.0, 0.0};
        PICK_PRICE(finish)(c, q, low, high, steep_c, steep_q, starts[k], starts[k + 1],
                     answers + 3 * k, x, part);
        for (int fact = 0; fact < 4; fact++) {
            facts[fact] += part[fact];
        }
        sums[k] = part[2];
    }
}

/* Adds each node, cut to its caps, to its parent; `order` goes from the deepest up. What is cut
   does not move any more. */
EXPORT void vpp_nodes_cut(int64_t count, const int64_t *order, const int64_t *parent,
                          const double *low, const double *high, double *sum, double *slope)
{
    for (int64_t at = 0; at < count; at++) {
        const int64_t node = order[at], up = parent[node];
        const int held_low = sum[node] <= low[node], held_high = sum[node] >= high[node];
        sum[up] += held_high ? high[node] : held_low ? low[node] : sum[node];
        slope[up] += held_high || held_low ? 0.0 : slope[node];
    }
}

/* Adds the facts of several products' nodes (see respond) to their parents, from the deepest up.
   A node that its caps hold does not move: what it would have moved is taken off. */
EXPORT void vpp_nodes_fold(int64_t count, const int64_t *order, const int64_t *parent,
                           const int64_t *state, int64_t products, double *facts)
{
    const int64_t stride = 3 + 2 * products + products * (products + 1) / 2;
    for (int64_t at = 0; at < count; at++) {
        const double *from = facts + order[at] * stride, *cross = from + 3 + products;
        double *to = facts + parent[order[at]] * stride, *square = to + 3 + 2 * products;
        const int held = state[order[at]] != 0;
        const double weight = held && from[1] > 0.0 ? 1.0 / from[1] : 0.0;
        to[0] += from[0];
        to[1] += held ? 0.0 : from[1];
        to[2] += from[2];
        for (int64_t p = 0, column = 0; p < products; p++) {
            to[3 + p] += from[3 + p];
            to[3 + products + p] += held ? 0.0 : cross[p];
            for (int64_t o = p; o < products; o++, column++) {
                square[column] += from[3 + 2 * products + column] - weight * cross[p] * cross[o];
            }
        }
    }
}

/* Columns (c, q, low, high, delivery per product, then headroom and energy) into blocks of four
   rows; a group's last block is filled with rows that give nothing.

   leaves: per group the sum of low, of what it can give at most, of the larger magnitude, and
   per product what it can deliver. totals: largest marginal cost, largest factor, smallest rise
   of a row's price (0 if a q is not positive), and per product how far delivery can follow. */
EXPORT void vpp_products_pack(int64_t groups, const int64_t *starts, int64_t products,
                              int64_t energy, const double *const *columns, double *packed,
                              double *leaves, double *totals)
{
    PICK(pack)(groups, starts, products, energy, columns, packed, leaves, totals);
}

/* What a group's search is about; rows and blocks change from group to group. */
typedef struct {
    product_pass light, full;
    const double *rows, *price, *hours;
    int64_t blocks;
    double reach;
} search;

/* nu at which the group sums to the target; the sum never rises with nu. Starts at nu, whose
   sum and slope are known. */
static double group_root(const search *s, double target, double tolerance, double nu, double out[2])
{
    double below = -s->reach, above = s->reach, before = HUGE_NUMBER;
    for (int round = 0; round < ROUNDS_MAX; round++) {
        const double over = out[0] - target, size = over < 0.0 ? -over : over;
        if (over <= tolerance && over >= -tolerance) {
            return nu;
        }
        if (over > 0.0) {
            below = nu;
        } else {
            above = nu;
        }
        const double middle = below + 0.5 * (above - below);
        if (!(middle > below && middle < above)) {
            return nu;
        }
        double next = out[1] > 0.0 ? nu + over / out[1] : middle;
        if (!(next > below && next < above)) {
            next = middle;
        }
        if (round % 3 == 2) { /* three rounds without much gain: halve the bracket */
            next = size > 0.25 * before ? middle : next;
            before = size;
        }
        nu = next;
        s->light(s->rows, s->blocks, s->price, s->hours, nu, out);
    }
    return nu;
}

/* Whether a cap that held a group before still does: Newton from its last price, as long as that
   stays on the cap's side of the incoming one. Returns 1, -1, or 0 if it is not known. */
static int64_t still_held(const search *s, double from, double highest, double lowest,
                          double slack, double *nu, double sums[2])
{
    const int64_t side = *nu > from ? 1 : -1;
    const double target = side > 0 ? highest : lowest;
    for (int round = 0; round < 5; round++) {
        s->light(s->rows, s->blocks, s->price, s->hours, *nu, sums);
        const double over = sums[0] - target;
        if ((over <= slack && over >= -slack) || round == 4) {
            return (side > 0 ? over >= -slack : over <= slack) ? side : 0;
        }
        const double next = *nu + over / sums[1];
        if (!(sums[1] > 0.0 && (side > 0 ? next > from : next < from))) {
            return (side > 0 ? over > 0.0 : over < 0.0) ? side : 0;
        }
        *nu = next;
    }
    return 0;
}

/* Each group at its incoming price, or where its own cap holds it.

   starts: first block of each group. price, hours: per product. caps: lowest and highest sum
   and tolerance, 3 per entry. incoming: nu from above; nu: last answer in, this answer out.
   state: -1 held at its lowest sum, 1 at its highest, else 0. out: `stride` per entry. */
EXPORT void vpp_products_respond(int64_t count, const int64_t *which, const int64_t *starts,
                                 int64_t products, int64_t energy, const double *packed,
                                 const double *price, const double *hours, double reach,
                                 const double *incoming, const double *caps, double *nu,
                                 int64_t *state, double *out)
{
    const int64_t width = (COLUMNS * products + 1 + energy) * PACK;
    const int64_t stride = 3 + 2 * products + products * (products + 1) / 2;
    search s = {PICK(table)[0][energy][products - 1], PICK(table)[1][energy][products - 1],
                packed, price, hours, 0, reach};
    for (int64_t at = 0; at < count; at++, out += stride, caps += 3) {
        const int64_t k = GROUP(at);
        const double from = incoming[at], lowest = caps[0], highest = caps[1], slack = caps[2];
        double sums[2];
        s.rows = packed + starts[k] * width;
        s.blocks = starts[k + 1] - starts[k];
        state[at] = 0;
        if (nu[at] != from) {
            state[at] = still_held(&s, from, highest, lowest, slack, nu + at, sums);
        }
        if (state[at] == 0) {
            s.full(s.rows, s.blocks, price, hours, from, out);
            nu[at] = from;
            state[at] = out[0] > highest + slack ? 1 : out[0] < lowest - slack ? -1 : 0;
            if (state[at] == 0) {
                continue;
            }
            sums[0] = out[0];
            sums[1] = out[1];
        }
        nu[at] = group_root(&s, state[at] > 0 ? highest : lowest, slack, nu[at], sums);
        s.full(s.rows, s.blocks, price, hours, nu[at], out);
    }
}

/* Sum and slope of each group at nu. */
EXPORT void vpp_products_sums(int64_t count, const int64_t *which, const int64_t *starts,
                              int64_t products, int64_t energy, const double *packed,
                              const double *price, const double *hours, const double *nu,
                              double *sum, double *slope)
{
    const int64_t width = (COLUMNS * products + 1 + energy) * PACK;
    const product_pass light = PICK(table)[0][energy][products - 1];
    for (int64_t at = 0; at < count; at++) {
        const int64_t k = GROUP(at);
        double sums[2];
        light(packed + starts[k] * width, starts[k + 1] - starts[k], price, hours, nu[at], sums);
        sum[at] = sums[0];
        slope[at] = sums[1];
    }
}

/* Powers of all rows: powers[p] + row, rows in the order of the groups. facts, per group: sum
   of the powers, their cost, and per product what is delivered. */
EXPORT void vpp_products_powers(int64_t groups, const int64_t *starts, const int64_t *row_starts,
                                int64_t products, int64_t energy, const double *packed,
                                const double *price, const double *hours, const double *nu,
                                double *const *powers, double *facts)
{
    const int64_t width = (COLUMNS * products + 1 + energy) * PACK;
    const product_pass write = PICK(table)[2][energy][products - 1];
    double block[8 * PACK];
    for (int64_t k = 0; k < groups; k++, facts += 2 + products) {
        memset(facts, 0, (size_t)(2 + products) * sizeof(double));
        for (int64_t at = starts[k]; at < starts[k + 1]; at++) {
            const int64_t row = row_starts[k] + (at - starts[k]) * PACK;
            const int64_t rows = row_starts[k + 1] - row < PACK ? row_starts[k + 1] - row : PACK;
            const double *packed_block = packed + at * width;
            write(packed_block, 1, price, hours, nu[k], block);
            for (int64_t p = 0; p < products; p++) {
                const double *x = block + p * PACK, *c = AT(packed_block, PACKED_c, p);
                const double *q = AT(packed_block, PACKED_q, p);
                const double *r = AT(packed_block, PACKED_r, p);
                double sum = 0.0, cost = 0.0, delivered = 0.0;
                for (int64_t lane = 0; lane < PACK; lane++) {
                    sum += x[lane];
                    cost += x[lane] * (c[lane] + 0.5 * q[lane] * x[lane]);
                    delivered += r[lane] * x[lane];
                }
                facts[0] += sum;
                facts[1] += cost;
                facts[2 + p] += delivered;
                memcpy(powers[p] + row, x, (size_t)rows * sizeof(double));
            }
        }
    }
}
