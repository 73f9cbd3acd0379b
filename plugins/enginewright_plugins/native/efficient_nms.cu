// EfficientNMS: all scores above the threshold are gathered; then a block for each image sorts the best of them, and each
// that it keeps strikes out those behind it that it overlaps.
#include "cuda_kernels.h"

namespace ew_plugins::cuda {
namespace {

constexpr int MOST = 4096;  // candidates of an image; the tactic knows it
constexpr int BLOCK = 1024;
constexpr int EACH = MOST / BLOCK;  // candidates of a thread
constexpr int BINS = 256;
constexpr uint64_t NONE = ~uint64_t{0};

struct Box {
    float y1, x1, y2, x2;
};

struct Search {
    int64_t n, classes, box_classes, anchor_images, most, background, scores;  // scores: of an image
    float least, overlap;
    bool sigmoid, agnostic, centers;
    unsigned *counts;  // workspace: candidates of each image
    uint64_t *keys;    // [images][scores]
};

// Ascending keys are descending scores, of equal scores ascending indices.
__device__ uint64_t key_of(float score, uint32_t index) {
    const uint32_t bits = __float_as_uint(score + 0.0f);  // -0 is 0
    const uint32_t ascending = bits >> 31 != 0 ? ~bits : bits | 0x80000000u;
    return static_cast<uint64_t>(~ascending) << 32 | index;
}

__device__ float score_of(uint64_t key) {
    const uint32_t ascending = ~static_cast<uint32_t>(key >> 32);
    return __uint_as_float(ascending >> 31 != 0 ? ascending & 0x7fffffffu : ~ascending);
}

template <class T>
__global__ void gather(const T *scores, const Search s) {
    const int64_t image = blockIdx.y;
    scores += image * s.scores;
    for (int64_t i = first_item(); i < s.scores; i += all_threads()) {
        const float score = read(scores[i]);
        if (!(score >= s.least) || i % s.classes == s.background) continue;
        s.keys[image * s.scores + atomicAdd(s.counts + image, 1u)] = key_of(score, static_cast<uint32_t>(i));
    }
}

// The largest of the `wanted` smallest of `count` different keys, digit by digit.
__device__ uint64_t last_of(const uint64_t *keys, unsigned count, unsigned wanted, unsigned *bins) {
    __shared__ unsigned chosen, before;
    uint64_t prefix = 0;
    for (int shift = 56; shift >= 0; shift -= 8) {
        for (int b = threadIdx.x; b < BINS; b += BLOCK) bins[b] = 0;
        __syncthreads();
        for (unsigned i = threadIdx.x; i < count; i += BLOCK)
            if (shift == 56 || keys[i] >> (shift + 8) == prefix) atomicAdd(bins + (keys[i] >> shift & 0xff), 1u);
        __syncthreads();
        if (threadIdx.x == 0) {
            unsigned sum = 0, bin = 0;
            while (sum + bins[bin] < wanted) sum += bins[bin++];
            chosen = bin;
            before = sum;
        }
        __syncthreads();
        prefix = prefix << 8 | chosen;
        wanted -= before;
        __syncthreads();  // `chosen` is read before it changes
    }
    return prefix;
}

// Bitonic, ascending; `size` is a power of two.
__device__ void sort(uint64_t *keys, int size) {
    for (int width = 2; width <= size; width *= 2)
        for (int distance = width / 2; distance > 0; distance /= 2) {
            for (int i = threadIdx.x; i < size / 2; i += BLOCK) {
                const int low = i / distance * 2 * distance + i % distance, high = low + distance;
                const uint64_t a = keys[low], b = keys[high];
                if ((a > b) == ((low & width) == 0)) {
                    keys[low] = b;
                    keys[high] = a;
                }
            }
            __syncthreads();
        }
}

// The best candidates of an image in order, NONE behind them; their number.
__device__ int best_of(const Search &s, int64_t image, uint64_t *best, unsigned *bins) {
    __shared__ unsigned found;
    const uint64_t *keys = s.keys + image * s.scores;
    const unsigned count = s.counts[image];
    const uint64_t last = count > MOST ? last_of(keys, count, MOST, bins) : NONE;
    const int n = count > MOST ? MOST : static_cast<int>(count);
    int size = 2;
    while (size < n) size *= 2;
    if (threadIdx.x == 0) found = 0;
    for (int i = threadIdx.x; i < size; i += BLOCK) best[i] = NONE;
    __syncthreads();
    for (unsigned i = threadIdx.x; i < count; i += BLOCK)
        if (keys[i] <= last) best[atomicAdd(&found, 1u)] = keys[i];
    __syncthreads();
    sort(best, size);
    return n;
}

__device__ Box ordered(const Box &b) {
    return {fminf(b.y1, b.y2), fminf(b.x1, b.x2), fmaxf(b.y1, b.y2), fmaxf(b.x1, b.x2)};
}

__device__ double area(const Box &b) { return (double(b.y2) - b.y1) * (double(b.x2) - b.x1); }

// Both ordered.
__device__ bool overlaps(const Box &a, const Box &b, float limit) {
    const double h = double(fminf(a.y2, b.y2)) - fmaxf(a.y1, b.y1);
    const double w = double(fminf(a.x2, b.x2)) - fmaxf(a.x1, b.x1);
    if (!(h > 0 && w > 0)) return limit <= 0;
    const double shared = h * w;
    return shared / (area(a) + area(b) - shared) >= limit;
}

template <class T>
__device__ Box load(const T *from) {
    return {read(from[0]), read(from[1]), read(from[2]), read(from[3])};
}

template <class T>
__device__ Box corners(const T *boxes, const T *anchors, const Search &s, int64_t image, uint32_t index) {
    const int64_t box = index / s.classes, label = s.box_classes > 1 ? index % s.classes : 0;
    Box b = load(boxes + ((image * s.n + box) * s.box_classes + label) * 4);
    if (anchors != nullptr) {
        const Box anchor = load(anchors + (image % s.anchor_images * s.n + box) * 4);
        if (!s.centers) {
            const Box o = ordered(b), a = ordered(anchor);
            return {o.y1 + a.y1, o.x1 + a.x1, o.y2 + a.y2, o.x2 + a.x2};
        }
        b = {b.y1 * anchor.y2 + anchor.y1, b.x1 * anchor.x2 + anchor.x1, anchor.y2 * expf(b.y2),
             anchor.x2 * expf(b.x2)};
    }
    if (!s.centers) return b;
    return {b.y1 - b.y2 / 2, b.x1 - b.x2 / 2, b.y1 + b.y2 / 2, b.x1 + b.x2 / 2};
}

template <class T>
struct Outputs {
    int32_t *counts, *labels;
    T *boxes, *scores;
};

template <class T>
__device__ void keep(const Outputs<T> &y, int64_t row, const Box &box, float score, int32_t label) {
    write(y.boxes + row * 4, box.y1);
    write(y.boxes + row * 4 + 1, box.x1);
    write(y.boxes + row * 4 + 2, box.y2);
    write(y.boxes + row * 4 + 3, box.x2);
    write(y.scores + row, score);
    y.labels[row] = label;
}

template <class T>
__global__ void __launch_bounds__(BLOCK) search(const T *boxes, const T *anchors, const Outputs<T> y, const Search s) {
    __shared__ uint64_t best[MOST];
    __shared__ unsigned bins[BINS];
    __shared__ Box winner;
    __shared__ int next[2], winner_label;
    const int64_t image = blockIdx.x;
    const int n = best_of(s, image, best, bins);
    Box own[EACH];
    bool alive[EACH];
    for (int k = 0; k < EACH; ++k) {
        const int i = k * BLOCK + threadIdx.x;
        alive[k] = i < n;
        if (alive[k]) own[k] = ordered(corners(boxes, anchors, s, image, static_cast<uint32_t>(best[i])));
    }
    int64_t kept = 0;
    int i = 0;  // the candidate that is kept next
    if (threadIdx.x == 0) next[0] = next[1] = n;
    while (i < n && kept < s.most) {
        const auto index = static_cast<uint32_t>(best[i]);
        if (threadIdx.x == 0) {
            const Box box = corners(boxes, anchors, s, image, index);
            const float raw = score_of(best[i]);
            winner = ordered(box);
            winner_label = static_cast<int>(index % s.classes);
            keep(y, image * s.most + kept, box, s.sigmoid ? 1 / (1 + expf(-raw)) : raw, winner_label);
        }
        __syncthreads();
        int *found = next + kept % 2;
        for (int k = 0; k < EACH; ++k) {
            const int other = k * BLOCK + threadIdx.x;
            if (!alive[k] || other <= i) continue;
            const int label = static_cast<int>(static_cast<uint32_t>(best[other]) % s.classes);
            if ((s.agnostic || label == winner_label) && overlaps(own[k], winner, s.overlap)) {
                alive[k] = false;
            } else {
                atomicMin(found, other);
            }
        }
        __syncthreads();
        i = *found;
        if (threadIdx.x == 0) next[(kept + 1) % 2] = n;  // nobody reads it before the next barrier
        ++kept;
    }
    for (int64_t row = kept + threadIdx.x; row < s.most; row += BLOCK)
        keep(y, image * s.most + row, Box{0, 0, 0, 0}, 0, 0);
    if (threadIdx.x == 0) y.counts[image] = static_cast<int32_t>(kept);
}

}  // namespace
}  // namespace ew_plugins::cuda

// inputs: boxes, scores, anchors (optional); params: least score, overlap, limit, background, sigmoid, agnostic, centers;
// workspace: a key for each score, and a count for each image.
extern "C" int32_t efficient_nms(const ew_call *call) {
    using namespace ew_plugins::cuda;
    const ew_tensor *in = call->inputs, *out = call->outputs;
    const int64_t images = in[1].shape[0];
    Search s{};
    s.n = in[1].shape[1];
    s.classes = in[1].shape[2];
    s.scores = s.n * s.classes;
    s.box_classes = in[0].rank == 4 ? in[0].shape[2] : 1;
    s.anchor_images = has_input(call, 2) ? in[2].shape[0] : 0;
    s.least = static_cast<float>(call->params[0].f);
    s.overlap = static_cast<float>(call->params[1].f);
    s.background = call->params[3].i;
    s.sigmoid = call->params[4].i != 0;
    s.agnostic = call->params[5].i != 0;
    s.centers = call->params[6].i == 1;
    s.most = out[2].shape[1];
    s.keys = static_cast<uint64_t *>(call->workspace);
    s.counts = reinterpret_cast<unsigned *>(s.keys + images * s.scores);
    if (images == 0) return EW_OK;
    if (s.scores > INT32_MAX || images > 65535 || call->params[2].i != MOST ||
        call->workspace_size < static_cast<uint64_t>(images * (s.scores * 8 + 4)))
        return call->host->error(call, EW_SHAPE, "%lld scores for an image are too many",
                                 static_cast<long long>(s.scores));
    const size_t bytes = static_cast<size_t>(images) * sizeof(unsigned);
    if (const auto status = cudaMemsetAsync(s.counts, 0, bytes, stream_of(call))) return checked(call, status);
    return by_type(call, in[0].dtype, [&](auto element) {
        using T = decltype(element);
        const T *anchors = has_input(call, 2) ? data<const T>(in[2]) : nullptr;
        const Outputs<T> y{data<int32_t>(out[0]), data<int32_t>(out[3]), data<T>(out[1]), data<T>(out[2])};
        const unsigned blocks = blocks_for(s.scores) < 1024 ? blocks_for(s.scores) : 1024;
        if (blocks > 0)
            gather<<<dim3(blocks, static_cast<unsigned>(images)), THREADS, 0, stream_of(call)>>>(data<const T>(in[1]),
                                                                                                 s);
        search<<<static_cast<unsigned>(images), BLOCK, 0, stream_of(call)>>>(data<const T>(in[0]), anchors, y, s);
        return checked(call, cudaGetLastError());
    });
}
