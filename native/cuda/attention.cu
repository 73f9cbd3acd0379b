// Attention of half and bfloat16 with 64 elements a head on tensor cores: no matrix of all scores, one pass over the
// keys, sums in float. And one for any element type and head size, a warp for each query.
//
// Inputs: q, k, v, then mask and lengths where given. Parameters: see Parameter; strides count elements, and each
// query, key or value is 64 (or `size`) neighbouring elements, so heads may lie apart or side by side, in tensors of
// their own or in one. Mask kinds: 0 none, 1 added, 2 bool (false forbids).
#include "cuda/launch.h"
#include "cuda/mma_group.h"

namespace ew::cuda {
namespace {

struct Strides {
    int64_t offset, batch, head, row;
};

struct Arguments {
    const void *q, *k, *v, *mask;
    const int64_t *lengths;
    void *out;
    Strides qs, ks, vs, os;
    int64_t mask_batch, mask_head, mask_row, mask_column;
    int heads, groups, queries, keys, size, value_size, mask_kind, causal, bottom_right, left, right;
    float scale, softcap;
};

constexpr float LOG2E = 1.4426950408889634f;
constexpr int HEAD = 64, ROW_BYTES = HEAD * 2;

// Where query rows stand and which keys they may see.
struct Sight {
    int limit, offset, left, right;
    bool causal;

    __device__ __forceinline__ Sight(const Arguments &p, int batch) {
        limit = p.keys;
        offset = p.bottom_right ? p.keys - p.queries : 0;
        if (p.lengths != nullptr) {
            const int length = static_cast<int>(p.lengths[batch]);
            offset = length - p.queries;
            limit = length < limit ? length : limit;
        }
        causal = p.causal != 0, left = p.left, right = p.right;
    }

    // A query sees the keys in [lowest, highest).
    __device__ __forceinline__ int lowest(int query) const { return left < 0 ? 0 : max(0, query + offset - left); }
    __device__ __forceinline__ int highest(int query) const {
        int bound = limit;
        if (causal) bound = min(bound, query + offset + 1);
        if (right >= 0) bound = min(bound, query + offset + right + 1);
        return max(bound, 0);
    }
    // Whether all these queries see all keys in [begin, end).
    __device__ __forceinline__ bool all(int first, int last, int begin, int end) const {
        return begin >= lowest(last) && end <= highest(first);
    }
};

template <class T>
__device__ __forceinline__ float mask_at(const Arguments &p, const T *mask, int64_t at) {
    if (p.mask_kind == 1) return widen(mask[at]) * LOG2E;
    return reinterpret_cast<const uint8_t *>(mask)[at] ? 0.0f : -INFINITY;
}

// A mask's first element for a head, counted in its own type.
template <class T>
__device__ __forceinline__ const T *mask_of(const Arguments &p, int batch, int head) {
    const int64_t at = batch * p.mask_batch + head * p.mask_head;
    if (p.mask_kind == 2) return reinterpret_cast<const T *>(static_cast<const uint8_t *>(p.mask) + at);
    return static_cast<const T *>(p.mask) + at;
}

template <class T>
__device__ __forceinline__ const T *head_at(const void *data, const Strides &s, int batch, int head) {
    return static_cast<const T *>(data) + s.offset + batch * s.batch + head * s.head;
}

// Four warps and 64 keys at a time, or 128 keys of which each warp takes 32 for the same 16 queries. The second way
// occupies four times as many multiprocessors where sequences are short and few.
template <class T, bool SHARED_QUERIES>
struct Block {
    static constexpr int THREADS = 128;
    static constexpr int QUERIES = SHARED_QUERIES ? 16 : 64, KEYS = SHARED_QUERIES ? 128 : 64;
    static constexpr int KV_BYTES = KEYS * ROW_BYTES, STAGE = 2 * KV_BYTES;
    static constexpr int SHARED = 2 * STAGE + QUERIES * ROW_BYTES;
};

__device__ __forceinline__ uint32_t place(int row, int chunk) {
    return static_cast<uint32_t>(row * ROW_BYTES + ((chunk ^ (row & 7)) << 4));
}

// Fetches rows [row0, row0 + ROWS) of a head; rows from `end` on become 0.
template <class T, int ROWS>
__device__ __forceinline__ void fetch(const T *from, int64_t stride, int row0, int end, uint32_t to) {
#pragma unroll
    for (int i = 0; i < ROWS * 8 / 128; ++i) {
        const int index = static_cast<int>(threadIdx.x) + i * 128, row = index / 8, chunk = index % 8;
        const bool inside = row0 + row < end;
        copy_async(to + place(row, chunk), inside ? from + (row0 + row) * stride + chunk * 8 : from, inside ? 16 : 0);
    }
}

// What a warp knows of its 16 queries: each thread of two of them, lane / 4 and 8 below, in eight columns a 64.
struct Rows {
    float out[HEAD / 8][4] = {};
    float top[2] = {-INFINITY, -INFINITY}, total[2] = {};
};

// count: how many of the keys there are; the scores of the others stay 0, 16 at a time.
template <class T, int KEYS>
__device__ __forceinline__ void scores_of(float (&s)[KEYS / 8][4], const uint32_t (&q)[HEAD / 16][4], uint32_t k,
                                          int count) {
    const int lane = threadIdx.x & 31;
#pragma unroll
    for (int j = 0; j < KEYS / 16; ++j) {
        if (j * 16 >= count) break;
#pragma unroll
        for (int d = 0; d < HEAD / 16; ++d) {
            uint32_t right[4];
            load_matrices(right, k + place(j * 16 + (lane & 7) + ((lane >> 4) << 3), d * 2 + ((lane >> 3) & 1)));
            multiply<T>(s[j * 2], q[d], right[0], right[1]);
            multiply<T>(s[j * 2 + 1], q[d], right[2], right[3]);
        }
    }
}

// Scales and masks the scores, which then count in powers of two. Each thread has two rows, two columns of each 8.
template <class T, int KEYS>
__device__ __forceinline__ void weigh(float (&s)[KEYS / 8][4], const Arguments &p, const Sight &sight, const T *mask,
                                      int query, int key0) {
    const int lane = threadIdx.x & 31, row = query + lane / 4, key = key0 + lane % 4 * 2;
    const float scale = p.scale * LOG2E;
#pragma unroll
    for (int j = 0; j < KEYS / 8; ++j)
#pragma unroll
        for (int e = 0; e < 4; ++e) s[j][e] *= scale;
    if (p.mask_kind != 0) {
#pragma unroll
        for (int j = 0; j < KEYS / 8; ++j)
#pragma unroll
            for (int e = 0; e < 4; ++e) {
                const int r = min(row + e / 2 * 8, p.queries - 1), k = min(key + j * 8 + e % 2, p.keys - 1);
                s[j][e] += mask_at(p, mask, r * p.mask_row + k * p.mask_column);
            }
    }
    if (sight.all(query, query + 15, key0, key0 + KEYS)) return;
    const int low[2] = {sight.lowest(row), sight.lowest(row + 8)},
              high[2] = {sight.highest(row), sight.highest(row + 8)};
#pragma unroll
    for (int j = 0; j < KEYS / 8; ++j)
#pragma unroll
        for (int e = 0; e < 4; ++e) {
            const int k = key + j * 8 + e % 2;
            if (k < low[e / 2] || k >= high[e / 2]) s[j][e] = -INFINITY;
        }
}

// 2 to the x - top; 0 where nothing has been seen, so that all of it is -inf.
__device__ __forceinline__ float power(float x, float top) { return power_of_2(x - (top == -INFINITY ? 0.0f : top)); }

// Scores become weights, and what has been summed before is brought to the same scale.
template <int KEYS>
__device__ __forceinline__ void soften(Rows &rows, float (&s)[KEYS / 8][4]) {
    float factor[2];
#pragma unroll
    for (int h = 0; h < 2; ++h) {
        float top = rows.top[h];
#pragma unroll
        for (int j = 0; j < KEYS / 8; ++j) top = fmaxf(top, fmaxf(s[j][h * 2], s[j][h * 2 + 1]));
        top = fmaxf(top, __shfl_xor_sync(~0u, top, 1));
        top = fmaxf(top, __shfl_xor_sync(~0u, top, 2));
        factor[h] = power(rows.top[h], top);
        rows.top[h] = top;
        float total = 0.0f;
        const float base = top == -INFINITY ? 0.0f : top;
#pragma unroll
        for (int j = 0; j < KEYS / 8; ++j)
#pragma unroll
            for (int e = h * 2; e < h * 2 + 2; ++e) {
                s[j][e] = power_of_2(s[j][e] - base);
                total += s[j][e];
            }
        rows.total[h] = rows.total[h] * factor[h] + total;
    }
#pragma unroll
    for (int d = 0; d < HEAD / 8; ++d)
#pragma unroll
        for (int e = 0; e < 4; ++e) rows.out[d][e] *= factor[e / 2];
}

// Weights of 16 keys as an operand.
template <class T>
__device__ __forceinline__ void pack(uint32_t (&to)[4], const float (&low)[4], const float (&high)[4]) {
    to[0] = pair<T>(low[0], low[1]), to[1] = pair<T>(low[2], low[3]);
    to[2] = pair<T>(high[0], high[1]), to[3] = pair<T>(high[2], high[3]);
}

template <class T, int KEYS>
__device__ __forceinline__ void accumulate(Rows &rows, const float (&s)[KEYS / 8][4], uint32_t v, int count) {
    const int lane = threadIdx.x & 31;
#pragma unroll
    for (int j = 0; j < KEYS / 16; ++j) {
        if (j * 16 >= count) break;
        uint32_t left[4];
        pack<T>(left, s[j * 2], s[j * 2 + 1]);
#pragma unroll
        for (int d = 0; d < HEAD / 16; ++d) {
            uint32_t right[4];
            load_matrices_transposed(right, v + place(j * 16 + (lane & 15), d * 2 + (lane >> 4)));
            multiply<T>(rows.out[d * 2], left, right[0], right[1]);
            multiply<T>(rows.out[d * 2 + 1], left, right[2], right[3]);
        }
    }
}

// Joins what the four warps found for the same queries; the first warp then has it.
__device__ __forceinline__ void join(Rows &rows, float *shared) {
    constexpr int WORDS = HEAD / 8 * 4 + 4;
    const int lane = threadIdx.x & 31, warp = threadIdx.x >> 5;
    __syncthreads();
    float *mine = shared + (warp * WORDS) * 32 + lane;
    if (warp > 0) {
#pragma unroll
        for (int d = 0; d < HEAD / 8; ++d)
#pragma unroll
            for (int e = 0; e < 4; ++e) mine[(d * 4 + e) * 32] = rows.out[d][e];
#pragma unroll
        for (int h = 0; h < 2; ++h)
            mine[(WORDS - 4 + h) * 32] = rows.top[h], mine[(WORDS - 2 + h) * 32] = rows.total[h];
    }
    __syncthreads();
    if (warp > 0) return;
    for (int other = 1; other < 4; ++other) {
        const float *theirs = shared + (other * WORDS) * 32 + lane;
        float a[2], b[2];
#pragma unroll
        for (int h = 0; h < 2; ++h) {
            const float top = theirs[(WORDS - 4 + h) * 32], both = fmaxf(rows.top[h], top);
            a[h] = power(rows.top[h], both), b[h] = power(top, both);
            rows.top[h] = both;
            rows.total[h] = rows.total[h] * a[h] + theirs[(WORDS - 2 + h) * 32] * b[h];
        }
#pragma unroll
        for (int d = 0; d < HEAD / 8; ++d)
#pragma unroll
            for (int e = 0; e < 4; ++e)
                rows.out[d][e] = rows.out[d][e] * a[e / 2] + theirs[(d * 4 + e) * 32] * b[e / 2];
    }
}

template <class T>
__device__ __forceinline__ void write(Rows &rows, const Arguments &p, T *out, int query) {
    const int lane = threadIdx.x & 31;
#pragma unroll
    for (int h = 0; h < 2; ++h) {
        float total = rows.total[h];
        total += __shfl_xor_sync(~0u, total, 1);
        total += __shfl_xor_sync(~0u, total, 2);
        const float inverse = total == 0.0f ? 0.0f : 1.0f / total;
        const int row = query + lane / 4 + h * 8;
        if (row >= p.queries) continue;
        T *to = out + row * p.os.row + lane % 4 * 2;
#pragma unroll
        for (int d = 0; d < HEAD / 8; ++d)
            *reinterpret_cast<uint32_t *>(to + d * 8) =
                pair<T>(rows.out[d][h * 2] * inverse, rows.out[d][h * 2 + 1] * inverse);
    }
}

// What a step of an attention kernel works on.
template <class T>
struct View {
    const Arguments &p;
    const Sight &sight;
    const T *mask;
    uint32_t queries, keys, values;
};

// Four warps with 16 queries each and the same 64 keys, by instructions of all four.
template <class T>
__device__ __forceinline__ void step_in_group(Rows &rows, const View<T> &on, int query, int key) {
    constexpr int KEYS = 64;
    float s[KEYS / 8][4] = {};
    group_begin();
#pragma unroll
    for (int d = 0; d < HEAD / 16; ++d)
        multiply_group<T, false>(s, operand(on.queries + d * 32, 16), operand(on.keys + d * 32, 16));
    group_commit();
    group_wait<0>();
    weigh<T, KEYS>(s, on.p, on.sight, on.mask, query, key);
    soften<KEYS>(rows, s);
    uint32_t left[KEYS / 16][4];
#pragma unroll
    for (int j = 0; j < KEYS / 16; ++j) pack<T>(left[j], s[j * 2], s[j * 2 + 1]);
    group_begin();
#pragma unroll
    for (int j = 0; j < KEYS / 16; ++j)
        multiply_group_kept<T>(rows.out, left[j], operand(on.values + j * 16 * ROW_BYTES, KEYS * ROW_BYTES));
    group_commit();
    group_wait<0>();
}

// Each warp has its own 32 keys for the same 16 queries, which it keeps.
template <class T>
__device__ __forceinline__ void step_in_warps(Rows &rows, const View<T> &on, const uint32_t (&left)[HEAD / 16][4],
                                              int query, int key) {
    constexpr int KEYS = 32;
    const int count = on.sight.highest(min(query + 15, on.p.queries - 1)) - key;
    if (count <= 0) return;
    float s[KEYS / 8][4] = {};
    scores_of<T, KEYS>(s, left, on.keys, count);
    weigh<T, KEYS>(s, on.p, on.sight, on.mask, query, key);
    soften<KEYS>(rows, s);
    accumulate<T, KEYS>(rows, s, on.values, count);
}

template <class T, bool SHARED_QUERIES>
__global__ void __launch_bounds__(128, 4) attention_kernel(const __grid_constant__ Arguments p) {
    using B = Block<T, SHARED_QUERIES>;
    extern __shared__ __align__(1024) unsigned char shared[];
    const int lane = threadIdx.x & 31, warp = threadIdx.x >> 5;
    const int batch = blockIdx.z, head = blockIdx.y, group = head / (p.heads / p.groups);
    const int query0 = static_cast<int>(blockIdx.x) * B::QUERIES;
    const T *q = head_at<T>(p.q, p.qs, batch, head), *k = head_at<T>(p.k, p.ks, batch, group);
    const T *v = head_at<T>(p.v, p.vs, batch, group);
    const uint32_t base = shared_address(shared), queries = base + 2 * B::STAGE;
    begin();
    const Sight sight(p, batch);
    const int last_query = min(query0 + B::QUERIES, p.queries) - 1;
    const int first = sight.lowest(query0) / B::KEYS, last = (sight.highest(last_query) + B::KEYS - 1) / B::KEYS;
    const auto fetch_tile = [&](int tile) {
        const uint32_t to = base + (tile - first) % 2 * B::STAGE;
        fetch<T, B::KEYS>(k, p.ks.row, tile * B::KEYS, p.keys, to);
        fetch<T, B::KEYS>(v, p.vs.row, tile * B::KEYS, p.keys, to + B::KV_BYTES);
    };
    fetch<T, B::QUERIES>(q, p.qs.row, query0, p.queries, queries);
    if (first < last) fetch_tile(first);
    commit_copies();
    const int query = query0 + (SHARED_QUERIES ? 0 : warp * 16), key = SHARED_QUERIES ? warp * 32 : 0;
    const T *mask = mask_of<T>(p, batch, head);
    uint32_t left[HEAD / 16][4];
    Rows rows;
    for (int tile = first; tile < last; ++tile) {
        if (tile + 1 < last) fetch_tile(tile + 1);
        commit_copies();
        wait_copies<1>();
        if constexpr (!SHARED_QUERIES) publish_copies();
        __syncthreads();
        const uint32_t stage = base + (tile - first) % 2 * B::STAGE + key * ROW_BYTES;
        const View<T> view{p, sight, mask, queries, stage, stage + B::KV_BYTES};
        if constexpr (SHARED_QUERIES) {
            if (tile == first)
#pragma unroll
                for (int d = 0; d < HEAD / 16; ++d)
                    load_matrices(left[d], queries + place(lane & 15, d * 2 + (lane >> 4)));
            step_in_warps(rows, view, left, query, tile * B::KEYS + key);
        } else {
            step_in_group(rows, view, query, tile * B::KEYS);
        }
        __syncthreads();
    }
    wait_copies<0>();
    if constexpr (SHARED_QUERIES) join(rows, reinterpret_cast<float *>(shared));
    if (!SHARED_QUERIES || warp == 0)
        write(rows, p, static_cast<T *>(p.out) + p.os.offset + batch * p.os.batch + head * p.os.head, query);
}

// One warp for each query: two passes over its keys, 32 at a time; any sizes.
template <class T>
__global__ void plain_kernel(const Arguments p) {
    const int lane = threadIdx.x & 31, query = static_cast<int>(blockIdx.x * (blockDim.x / 32) + threadIdx.x / 32);
    const int batch = blockIdx.z, head = blockIdx.y, group = head / (p.heads / p.groups);
    begin();
    if (query >= p.queries) return;
    const T *q = head_at<T>(p.q, p.qs, batch, head) + query * p.qs.row, *k = head_at<T>(p.k, p.ks, batch, group);
    const T *v = head_at<T>(p.v, p.vs, batch, group);
    const Sight sight(p, batch);
    const int64_t mask_base = batch * p.mask_batch + head * p.mask_head + query * p.mask_row;
    const auto score = [&](int key) {
        float x = 0.0f;
        for (int d = 0; d < p.size; ++d) x += widen(q[d]) * widen(k[key * p.ks.row + d]);
        x *= p.scale;
        if (p.softcap > 0.0f) x = tanhf(x / p.softcap) * p.softcap;
        x *= LOG2E;
        if (p.mask_kind == 0) return x;
        return x + mask_at(p, static_cast<const T *>(p.mask), mask_base + key * p.mask_column);
    };
    const int first = sight.lowest(query), last = sight.highest(query);
    float top = -INFINITY, total = 0.0f;
    for (int key = first + lane; key < last; key += 32) {
        const float x = score(key), both = fmaxf(top, x);
        total = total * power(top, both) + power(x, both);
        top = both;
    }
    for (int step = 16; step > 0; step /= 2) {
        const float other = __shfl_xor_sync(~0u, top, step), sum = __shfl_xor_sync(~0u, total, step);
        const float both = fmaxf(top, other);
        total = total * power(top, both) + sum * power(other, both);
        top = both;
    }
    const float inverse = total == 0.0f ? 0.0f : 1.0f / total;
    T *out = static_cast<T *>(p.out) + p.os.offset + batch * p.os.batch + head * p.os.head + query * p.os.row;
    for (int d0 = 0; d0 < p.value_size; d0 += 32) {
        float sum = 0.0f;
        for (int key0 = first; key0 < last; key0 += 32) {
            const float mine = key0 + lane < last ? power(score(key0 + lane), top) : 0.0f;
            for (int j = 0; j < 32 && key0 + j < last; ++j) {
                const float weight = __shfl_sync(~0u, mine, j);
                if (d0 + lane < p.value_size) sum += weight * widen(v[(key0 + j) * p.vs.row + d0 + lane]);
            }
        }
        if (d0 + lane < p.value_size) out[d0 + lane] = narrow<T>(sum * inverse);
    }
}

enum Parameter {
    BATCH,
    HEADS,
    GROUPS,
    QUERIES,
    KEYS,
    SIZE,
    VALUE_SIZE,
    SCALE,
    CAUSAL,
    BOTTOM_RIGHT,
    SOFTCAP,
    LEFT,
    RIGHT,
    Q_STRIDES,  // offset, batch, head, row
    K_STRIDES = Q_STRIDES + 4,
    V_STRIDES = K_STRIDES + 4,
    OUT_STRIDES = V_STRIDES + 4,
    MASK = OUT_STRIDES + 4,  // kind
    MASK_STRIDES,            // batch, head, row, column
    LENGTHS = MASK_STRIDES + 4,
    WAY,  // 0: 64 queries a block, 1: 16
    N_PARAMETERS
};

Strides strides_at(const ew_call *call, int index) {
    const ew_param *p = call->params + index;
    return {p[0].i, p[1].i, p[2].i, p[3].i};
}

int32_t read(const ew_call *call, Arguments *p) {
    if (call->n_params != N_PARAMETERS || call->n_inputs < 3)
        return call->host->error(call, EW_INVALID_PLAN, "CUDA attention takes %d parameters", int{N_PARAMETERS});
    const auto number = [&](int index) { return static_cast<int>(call->params[index].i); };
    for (int i = BATCH; i <= VALUE_SIZE; ++i)
        if (call->params[i].i < 0 || call->params[i].i > INT32_MAX)
            return call->host->error(call, EW_SHAPE, "CUDA attention has an axis of %lld elements",
                                     static_cast<long long>(call->params[i].i));
    const bool mask = number(MASK) != 0;
    if (number(GROUPS) < 1 || number(HEADS) % number(GROUPS) != 0 || call->n_inputs < 3 + mask + (number(LENGTHS) != 0))
        return call->host->error(call, EW_INVALID_PLAN, "a parameter of CUDA attention is out of its range");
    *p = {call->inputs[0].data,
          call->inputs[1].data,
          call->inputs[2].data,
          mask ? call->inputs[3].data : nullptr,
          number(LENGTHS) ? static_cast<const int64_t *>(call->inputs[3 + mask].data) : nullptr,
          call->outputs[0].data,
          strides_at(call, Q_STRIDES),
          strides_at(call, K_STRIDES),
          strides_at(call, V_STRIDES),
          strides_at(call, OUT_STRIDES)};
    const Strides m = strides_at(call, MASK_STRIDES);
    p->mask_batch = m.offset, p->mask_head = m.batch, p->mask_row = m.head, p->mask_column = m.row;
    p->heads = number(HEADS), p->groups = number(GROUPS), p->queries = number(QUERIES), p->keys = number(KEYS);
    p->size = number(SIZE), p->value_size = number(VALUE_SIZE), p->mask_kind = number(MASK);
    p->causal = number(CAUSAL), p->bottom_right = number(BOTTOM_RIGHT), p->left = number(LEFT),
    p->right = number(RIGHT);
    p->scale = static_cast<float>(call->params[SCALE].f), p->softcap = static_cast<float>(call->params[SOFTCAP].f);
    return EW_OK;
}

bool whole_vectors(const Strides &s) {
    return s.offset % 8 == 0 && s.batch % 8 == 0 && s.head % 8 == 0 && s.row % 8 == 0;
}

template <class B>
Shape3 shape_of(const Arguments &p, int batch) {
    Shape3 shape;
    shape.grid = dim3(static_cast<unsigned>((p.queries + B::QUERIES - 1) / B::QUERIES), static_cast<unsigned>(p.heads),
                      static_cast<unsigned>(batch));
    shape.block = dim3(B::THREADS);
    shape.shared = B::SHARED;
    return shape;
}

int32_t run(const ew_call *call) {
    Arguments p = {};
    if (const int32_t status = read(call, &p); status != EW_OK) return status;
    if (p.softcap > 0.0f) return call->host->error(call, EW_INVALID_PLAN, "cuda_attention has no soft cap");
    if (p.size != HEAD || p.value_size != HEAD || !whole_vectors(p.qs) || !whole_vectors(p.ks) ||
        !whole_vectors(p.vs) || !whole_vectors(p.os))
        return call->host->error(call, EW_SHAPE, "cuda_attention takes heads of %d elements, in whole vectors", HEAD);
    const int batch = static_cast<int>(call->params[BATCH].i);
    if (batch == 0 || p.heads == 0 || p.queries == 0) return EW_OK;
    return for_half(call, call->inputs[0].dtype, [&](auto zero) {
        using T = decltype(zero);
        if (call->params[WAY].i == 0)
            return launch(call, attention_kernel<T, false>, shape_of<Block<T, false>>(p, batch), p);
        return launch(call, attention_kernel<T, true>, shape_of<Block<T, true>>(p, batch), p);
    });
}

int32_t run_plain(const ew_call *call) {
    Arguments p = {};
    if (const int32_t status = read(call, &p); status != EW_OK) return status;
    const int batch = static_cast<int>(call->params[BATCH].i);
    if (batch == 0 || p.heads == 0 || p.queries == 0) return EW_OK;
    Shape3 shape;
    constexpr int WARPS = 4;
    shape.grid = dim3(static_cast<unsigned>((p.queries + WARPS - 1) / WARPS), static_cast<unsigned>(p.heads),
                      static_cast<unsigned>(batch));
    shape.block = dim3(WARPS * 32);
    return for_float(call, call->inputs[0].dtype,
                     [&](auto zero) { return launch(call, plain_kernel<decltype(zero)>, shape, p); });
}

}  // namespace

EW_KERNEL(attention, run)
EW_KERNEL(attention_plain, run_plain)

}  // namespace ew::cuda
