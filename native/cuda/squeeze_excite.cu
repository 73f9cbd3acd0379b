// Squeeze and excitation of images in NHWC in half or bfloat16, in one launch: y = x * sigmoid(act(mean(x) a' + b) c' + d).
//
// Inputs: x [batch, places, channels], a [hidden, channels], b [hidden], c [hidden, channels], d [channels].
// Parameters: batch, places, channels, hidden, activation inside, groups of channels (1, 2, 4 or 8).
//
// The eight blocks of a cluster share an image: `groups` of channels times 8 / groups of places. Each keeps its part of
// the image in shared memory, sums it over its places, and multiplies its sums by a: as that is linear, adding up the
// eight results is all that blocks exchange. Then each finds the factors of its own channels.
#include "cuda/launch.h"
#include "cuda/rows.h"

namespace ew::cuda {
namespace {

constexpr int BLOCKS = 8, THREADS = 512, WARPS = THREADS / 32, V = 8, AT_ONCE = 8;
constexpr int MOST_SHARED = 224 * 1024;

struct Arguments {
    const void *x, *a, *b, *c, *d;
    void *y;
    int places, channels, hidden, groups, activation;
    int vectors;         // of 8 channels, in a group
    int places_a_block;  // in a share of places
};

// Where things lie in shared memory, in bytes; the same on host and device.
struct Layout {
    int image, a, c, partial, joined, sums, hidden, factors, total;

    __host__ __device__ Layout(const Arguments &p, bool keep) {
        const int channels = p.vectors * V;
        image = 0;
        a = image + (keep ? p.places_a_block * channels * 2 : 0);
        c = a + p.hidden * channels * 2;
        partial = c + p.hidden * channels * 2;
        joined = partial + THREADS * (V + 1) * 4;  // a sum for each thread, and one number more in each row
        sums = joined + THREADS * 4;
        hidden = sums + channels * 4;         // this block's share, which the others read
        factors = hidden + 2 * p.hidden * 4;  // behind it the whole
        total = factors + channels * 4;
    }
};

__device__ __forceinline__ float read_remote(uint32_t address, int rank) {
    uint32_t there;
    float value;
    asm volatile("mapa.shared::cluster.u32 %0, %1, %2;" : "=r"(there) : "r"(address), "r"(rank));
    asm volatile("ld.shared::cluster.f32 %0, [%1];" : "=f"(value) : "r"(there));
    return value;
}

// The sum of each column of [rows, columns + 1], of which the last is not used.
__device__ __forceinline__ void add_rows(const float *from, int columns, int rows, float *joined, float *sums) {
    const int thread = static_cast<int>(threadIdx.x), parts = columns == 0 ? 0 : THREADS / columns;
    if (thread < parts * columns) {
        float total = 0.0f;
        for (int i = thread / columns; i < rows; i += parts) total += from[i * (columns + 1) + thread % columns];
        joined[thread] = total;
    }
    __syncthreads();
    if (thread < columns) {
        float total = 0.0f;
        for (int i = 0; i < parts; ++i) total += joined[i * columns + thread];
        sums[thread] = total;
    }
    __syncthreads();
}

// What a block works on, and where it lies in shared memory.
template <class T>
struct Share {
    int vectors, channels, channel0;  // of 8 channels; its channels; the first of them
    int width;                        // channels of a full group, between rows in shared memory
    int places, rows, row, vector;    // a thread's: every `rows`-th place from `row` on, one vector
    int64_t offset;                   // of the first place and channel in the image
    T *image, *a, *c;
    float *partial, *joined, *sums, *hidden, *factors;

    __device__ __forceinline__ Share(const Arguments &p, unsigned char *shared, const Layout &at) {
        const int thread = static_cast<int>(threadIdx.x), block = static_cast<int>(blockIdx.x);
        const int first = block / p.groups * p.places_a_block, rest = p.places - first;
        const int vector0 = block % p.groups * p.vectors, more = p.channels / V - vector0;
        vectors = more < 0 ? 0 : more < p.vectors ? more : p.vectors;
        places = rest < 0 ? 0 : rest < p.places_a_block ? rest : p.places_a_block;
        channels = vectors * V, channel0 = vector0 * V, width = p.vectors * V;
        rows = vectors == 0 ? 0 : THREADS / vectors;
        row = vectors == 0 ? 0 : thread / vectors, vector = vectors == 0 ? 0 : thread % vectors;
        offset = (static_cast<int64_t>(blockIdx.y) * p.places + first) * p.channels + channel0;
        image = reinterpret_cast<T *>(shared + at.image), a = reinterpret_cast<T *>(shared + at.a);
        c = reinterpret_cast<T *>(shared + at.c);
        partial = reinterpret_cast<float *>(shared + at.partial);
        joined = reinterpret_cast<float *>(shared + at.joined), sums = reinterpret_cast<float *>(shared + at.sums);
        hidden = reinterpret_cast<float *>(shared + at.hidden),
        factors = reinterpret_cast<float *>(shared + at.factors);
    }

    // The weights of its channels, which nobody writes.
    __device__ __forceinline__ void fetch_weights(const Arguments &p) const {
        for (int i = static_cast<int>(threadIdx.x); i < p.hidden * vectors; i += THREADS) {
            const int unit = i / vectors, column = i % vectors * V;
            const int64_t from = static_cast<int64_t>(unit) * p.channels + channel0 + column;
            *reinterpret_cast<Vector<T, V> *>(a + unit * width + column) =
                *reinterpret_cast<const Vector<T, V> *>(static_cast<const T *>(p.a) + from);
            *reinterpret_cast<Vector<T, V> *>(c + unit * width + column) =
                *reinterpret_cast<const Vector<T, V> *>(static_cast<const T *>(p.c) + from);
        }
    }
};

// A thread's sums of one vector of channels over its places, which stay in shared memory if there is room.
template <class T, bool KEEP>
__device__ __forceinline__ void sum_places(const Arguments &p, const Share<T> &s) {
    if (s.row >= s.rows) return;
    const T *x = static_cast<const T *>(p.x) + s.offset + s.vector * V;
    float sum[V] = {};
#pragma unroll 1
    for (int place = s.row; place < s.places; place += AT_ONCE * s.rows) {
        Vector<T, V> raw[AT_ONCE];
#pragma unroll
        for (int i = 0; i < AT_ONCE; ++i)
            if (place + i * s.rows < s.places)
                raw[i] =
                    *reinterpret_cast<const Vector<T, V> *>(x + static_cast<int64_t>(place + i * s.rows) * p.channels);
#pragma unroll
        for (int i = 0; i < AT_ONCE; ++i) {
            if (place + i * s.rows >= s.places) break;
            if constexpr (KEEP)
                *reinterpret_cast<Vector<T, V> *>(s.image + (place + i * s.rows) * s.width + s.vector * V) = raw[i];
#pragma unroll
            for (int j = 0; j < V; ++j) sum[j] += widen(raw[i].v[j]);
        }
    }
#pragma unroll
    for (int j = 0; j < V; ++j) s.partial[s.row * (s.channels + 1) + s.vector * V + j] = sum[j];
}

// Each block's part of act(mean a' + b), then all of it in every block.
template <class T>
__device__ __forceinline__ void find_hidden(const Arguments &p, const Share<T> &s) {
    const int thread = static_cast<int>(threadIdx.x), lane = thread & 31;
#pragma unroll 4
    for (int unit = thread >> 5; unit < p.hidden; unit += WARPS) {
        float total = 0.0f;
        for (int i = lane; i < s.channels; i += 32) total += s.sums[i] * widen(s.a[unit * s.width + i]);
        total = across_warp<Add>(total);
        if (lane == 0) s.hidden[unit] = total / static_cast<float>(p.places);
    }
    cluster_barrier();
    const auto mine = static_cast<uint32_t>(__cvta_generic_to_shared(s.hidden));
    for (int unit = thread; unit < p.hidden; unit += THREADS) {
        float total[1] = {widen(static_cast<const T *>(p.b)[unit])};
#pragma unroll
        for (int rank = 0; rank < BLOCKS; ++rank) total[0] += read_remote(mine + unit * 4, rank);
        Activate{p.activation, 0.0f, 0.0f}(total);
        s.hidden[p.hidden + unit] = total[0];
    }
}

template <class T>
__device__ __forceinline__ void find_factors(const Arguments &p, const Share<T> &s) {
    for (int channel = static_cast<int>(threadIdx.x); channel < s.channels; channel += THREADS) {
        float total[1] = {widen(static_cast<const T *>(p.d)[s.channel0 + channel])};
#pragma unroll 8
        for (int unit = 0; unit < p.hidden; ++unit)
            total[0] += s.hidden[p.hidden + unit] * widen(s.c[unit * s.width + channel]);
        Activate{SIGMOID, 0.0f, 0.0f}(total);
        s.factors[channel] = total[0];
    }
}

template <class T, bool KEEP>
__device__ __forceinline__ void scale_places(const Arguments &p, const Share<T> &s) {
    if (s.row >= s.rows) return;
    float factor[V];
#pragma unroll
    for (int j = 0; j < V; ++j) factor[j] = s.factors[s.vector * V + j];
    const T *x = static_cast<const T *>(p.x) + s.offset + s.vector * V;
    T *y = static_cast<T *>(p.y) + s.offset + s.vector * V;
#pragma unroll 4
    for (int place = s.row; place < s.places; place += s.rows) {
        const int64_t to = static_cast<int64_t>(place) * p.channels;
        float value[V];
        if constexpr (KEEP)
            load(value, s.image + place * s.width + s.vector * V);
        else
            load(value, x + to);
#pragma unroll
        for (int j = 0; j < V; ++j) value[j] *= factor[j];
        store(y + to, value);
    }
}

template <class T, bool KEEP>
__global__ void __launch_bounds__(THREADS, 1) squeeze_excite_kernel(const Arguments p) {
    extern __shared__ __align__(16) unsigned char shared[];
    const Share<T> s(p, shared, Layout(p, KEEP));
    allow_next();
    s.fetch_weights(p);
    wait_for_previous();
    sum_places<T, KEEP>(p, s);
    __syncthreads();
    add_rows(s.partial, s.channels, s.rows, s.joined, s.sums);
    find_hidden(p, s);
    asm volatile("barrier.cluster.arrive.release;" ::: "memory");  // a block that ends takes its memory along
    __syncthreads();
    find_factors(p, s);
    __syncthreads();
    scale_places<T, KEEP>(p, s);
    asm volatile("barrier.cluster.wait.acquire;" ::: "memory");
}

template <class T>
int32_t launch_with(const ew_call *call, const Arguments &p, int batch) {
    Shape3 shape;
    shape.grid = dim3(BLOCKS, static_cast<unsigned>(batch));
    shape.block = dim3(THREADS);
    shape.cluster = BLOCKS;
    // What Layout adds up as int fits one only if each part does.
    const int64_t row = int64_t{p.vectors} * V * 2;
    const bool fits = p.hidden * row <= MOST_SHARED && Layout(p, false).total <= MOST_SHARED;
    if (!fits)
        return call->host->error(call, EW_SHAPE,
                                 "squeeze and excitation of %d channels with %d inside need too much memory",
                                 p.channels, p.hidden);
    const bool keep = p.places_a_block * row <= MOST_SHARED && Layout(p, true).total <= MOST_SHARED;
    shape.shared = static_cast<size_t>(Layout(p, keep).total);
    return launch(call, keep ? squeeze_excite_kernel<T, true> : squeeze_excite_kernel<T, false>, shape, p);
}

int32_t run(const ew_call *call) {
    constexpr int N_PARAMS = 6;
    if (call->n_params != N_PARAMS || call->n_inputs != 5)
        return call->host->error(call, EW_INVALID_PLAN, "squeeze and excitation take %d parameters", N_PARAMS);
    for (int i = 0; i < 4; ++i)
        if (call->params[i].i < 0 || call->params[i].i > (1 << 24))
            return call->host->error(call, EW_SHAPE, "parameter %d of squeeze and excitation is %lld", i,
                                     static_cast<long long>(call->params[i].i));
    const auto number = [&](int index) { return static_cast<int>(call->params[index].i); };
    const int batch = number(0), groups = number(5), activation = number(4);
    if ((groups != 1 && groups != 2 && groups != 4 && groups != 8) || activation < 0 || activation >= N_ACTIVATIONS)
        return call->host->error(call, EW_INVALID_PLAN, "a parameter of squeeze and excitation is out of its range");
    Arguments p = {};
    p.x = call->inputs[0].data, p.a = call->inputs[1].data, p.b = call->inputs[2].data;
    p.c = call->inputs[3].data, p.d = call->inputs[4].data, p.y = call->outputs[0].data;
    p.places = number(1), p.channels = number(2), p.hidden = number(3), p.groups = groups, p.activation = activation;
    if (batch == 0 || p.places == 0 || p.channels == 0) return EW_OK;
    if (p.channels % V != 0 || batch > 65535)
        return call->host->error(call, EW_SHAPE, "%d channels are no multiple of 8, or %d images too many", p.channels,
                                 batch);
    const int shares = BLOCKS / groups;
    p.vectors = (p.channels / V + groups - 1) / groups;
    p.places_a_block = (p.places + shares - 1) / shares;
    if (p.vectors * V > THREADS) return call->host->error(call, EW_SHAPE, "%d channels are too many", p.channels);
    return for_half(call, call->inputs[0].dtype,
                    [&](auto zero) { return launch_with<decltype(zero)>(call, p, batch); });
}

}  // namespace

EW_KERNEL(squeeze_excite, run)

}  // namespace ew::cuda
