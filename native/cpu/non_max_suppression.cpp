// NonMaxSuppression: for each class the boxes with the highest scores that overlap no better one too much.
#include <algorithm>
#include <cmath>

#include "cpu/rows.h"

namespace ew::EW_ISA {

namespace {

struct Corners {
    float low[2], high[2];
};

struct Search {
    const float *boxes, *scores;
    int64_t batches, classes, n, most;
    float overlap, least;
    bool has_least, center;
    Corners *corners;  // [batches][n]
    int64_t *lists;    // [batches * classes][1 + n]: how many, then the boxes
};

Corners corners_of(const float *box, bool center) {
    Corners c;
    for (int i = 0; i < 2; ++i) {
        const float a = center ? box[i] - box[i + 2] / 2 : box[i], b = center ? box[i] + box[i + 2] / 2 : box[i + 2];
        c.low[i] = center || a <= b ? a : b;
        c.high[i] = center || a <= b ? b : a;
    }
    return c;
}

float area(const Corners &c) { return (c.high[0] - c.low[0]) * (c.high[1] - c.low[1]); }

// Whether the intersection over union is above the limit.
bool overlaps(const Corners &a, const Corners &b, float limit) {
    float side[2];
    for (int i = 0; i < 2; ++i) side[i] = std::min(a.high[i], b.high[i]) - std::max(a.low[i], b.low[i]);
    const float first = area(a), second = area(b);
    double found = 0;
    if (side[0] > 0 && side[1] > 0 && first > 0 && second > 0) {
        const double shared = side[0] * side[1];
        found = shared / (static_cast<double>(first) + second - shared);
    }
    return found > limit;
}

// A score that is no number is the lowest, so that the order is one.
float score_key(float score) { return std::isnan(score) ? -INFINITY : score; }

// Boxes leave a heap one after another, so that those behind the last that is kept are never sorted. Kept ones are
// collected at the end of the list, where the heap has left, and then moved to its front.
void search_class(const Search &s, int64_t task) {
    const float *scores = s.scores + task * s.n;
    const Corners *corners = s.corners + task / s.classes * s.n;
    int64_t *list = s.lists + task * (s.n + 1) + 1, count = 0, kept = 0;
    for (int64_t i = 0; i < s.n; ++i)
        if (!s.has_least || scores[i] > s.least) list[count++] = i;
    const auto worse = [scores](int64_t a, int64_t b) {
        const float x = score_key(scores[a]), y = score_key(scores[b]);
        return x != y ? x < y : a > b;
    };
    std::make_heap(list, list + count, worse);
    int64_t *end = list + count;
    for (; count > 0 && kept < s.most; --count) {
        std::pop_heap(list, list + count, worse);
        const int64_t box = list[count - 1];
        bool free = true;
        for (int64_t k = 1; k <= kept && free; ++k) free = !overlaps(corners[box], corners[end[-k]], s.overlap);
        if (free) end[-++kept] = box;
    }
    std::reverse(end - kept, end);
    std::copy(end - kept, end, list);
    list[-1] = kept;
}

template <class T>
T scalar_or(const ew_call *call, int index, T otherwise) {
    if (index >= call->n_inputs || call->inputs[index].data == nullptr || count_of(call->inputs[index]) < 1)
        return otherwise;
    return *static_cast<const T *>(call->inputs[index].data);
}

int32_t write_rows(const ew_call *call, const Search &s) {
    int64_t total = 0;
    for (int64_t t = 0; t < s.batches * s.classes; ++t) total += s.lists[t * (s.n + 1)];
    const ew_tensor &y = call->outputs[0];
    if (y.size_out == nullptr || total > y.shape[0])
        return call->host->error(call, EW_SHAPE, "%lld boxes were chosen", static_cast<long long>(total));
    y.size_out[0] = total;
    y.size_out[1] = 3;
    auto *row = static_cast<int64_t *>(y.data);
    for (int64_t t = 0; t < s.batches * s.classes; ++t) {
        const int64_t *list = s.lists + t * (s.n + 1);
        for (int64_t i = 0; i < list[0]; ++i, row += 3) {
            row[0] = t / s.classes;
            row[1] = t % s.classes;
            row[2] = list[1 + i];
        }
    }
    return EW_OK;
}

// inputs: boxes, scores, limit, overlap, least (optional from the third on); outputs: rows (batch, class, box) by
// size_out; params: center_point_box; workspace: corners, then lists.
int32_t run(const ew_call *call) {
    const ew_tensor &boxes = call->inputs[0], &scores = call->inputs[1];
    Search s{};
    s.boxes = static_cast<const float *>(boxes.data);
    s.scores = static_cast<const float *>(scores.data);
    s.batches = scores.shape[0];
    s.classes = scores.shape[1];
    s.n = scores.shape[2];
    const int64_t corner_bytes = s.batches * s.n * static_cast<int64_t>(sizeof(Corners));
    const auto needed = static_cast<uint64_t>(corner_bytes + s.batches * s.classes * (s.n + 1) * 8);
    if (boxes.shape[0] != s.batches || boxes.shape[1] != s.n || boxes.shape[2] != 4 || call->n_params != 1 ||
        call->workspace_size < needed)
        return call->host->error(call, EW_INVALID_PLAN, "boxes and scores do not fit each other or the workspace");
    s.most = scalar_or<int64_t>(call, 2, 0);
    s.overlap = scalar_or<float>(call, 3, 0);
    s.least = scalar_or<float>(call, 4, 0);
    s.has_least = call->n_inputs > 4 && call->inputs[4].data != nullptr;
    s.center = call->params[0].i != 0;
    s.corners = static_cast<Corners *>(call->workspace);
    s.lists = reinterpret_cast<int64_t *>(static_cast<char *>(call->workspace) + corner_bytes);
    for (int64_t i = 0; i < s.batches * s.n; ++i) s.corners[i] = corners_of(s.boxes + 4 * i, s.center);
    for_ranges(call, s.batches * s.classes, s.n * 16, [&s](int64_t begin, int64_t end) {
        for (int64_t task = begin; task < end; ++task) search_class(s, task);
    });
    return write_rows(call, s);
}

}  // namespace

EW_KERNEL(non_max_suppression, run)

}  // namespace ew::EW_ISA
