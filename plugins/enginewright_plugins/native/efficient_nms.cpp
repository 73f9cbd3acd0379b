// EfficientNMS: for each image the best candidates in order, each kept unless it overlaps one that is kept.
#include <cmath>
#include <cstring>

#include "kernels.h"

namespace ew_plugins {
namespace {

struct Candidate {
    float score;
    uint32_t index;  // box * classes + class
};
static_assert(sizeof(Candidate) == 8, "the tactic asks for 8 bytes each");

struct Box {
    float y1, x1, y2, x2;
};

struct Search {
    const float *boxes, *scores, *anchors;
    int64_t n, classes, box_classes, anchor_images, most, limit, background;
    float least, overlap;
    bool sigmoid, agnostic, centers;
    Candidate *candidates;
    int32_t *counts, *labels;
    float *kept_boxes, *kept_scores;
};

Box ordered(const Box &b) {
    return {std::min(b.y1, b.y2), std::min(b.x1, b.x2), std::max(b.y1, b.y2), std::max(b.x1, b.x2)};
}

double area(const Box &b) { return (double(b.y2) - b.y1) * (double(b.x2) - b.x1); }

bool overlaps(const Box &first, const Box &second, float limit) {
    const Box a = ordered(first), b = ordered(second);
    const double h = double(std::min(a.y2, b.y2)) - std::max(a.y1, b.y1);
    const double w = double(std::min(a.x2, b.x2)) - std::max(a.x1, b.x1);
    if (h <= 0 || w <= 0) return limit <= 0;
    const double shared = h * w;
    return shared / (area(a) + area(b) - shared) >= limit;
}

Box corners(const Search &s, int64_t image, uint32_t index) {
    const int64_t box = index / s.classes, label = s.box_classes > 1 ? index % s.classes : 0;
    Box b, anchor;
    std::memcpy(&b, s.boxes + ((image * s.n + box) * s.box_classes + label) * 4, sizeof b);
    if (s.anchors) {
        std::memcpy(&anchor, s.anchors + (image % s.anchor_images * s.n + box) * 4, sizeof anchor);
        if (!s.centers) {
            const Box o = ordered(b), a = ordered(anchor);
            return {o.y1 + a.y1, o.x1 + a.x1, o.y2 + a.y2, o.x2 + a.x2};
        }
        b = {b.y1 * anchor.y2 + anchor.y1, b.x1 * anchor.x2 + anchor.x1, anchor.y2 * std::exp(b.y2),
             anchor.x2 * std::exp(b.x2)};
    }
    if (!s.centers) return b;
    return {b.y1 - b.y2 / 2, b.x1 - b.x2 / 2, b.y1 + b.y2 / 2, b.x1 + b.x2 / 2};
}

bool better(const Candidate &a, const Candidate &b) {
    return a.score != b.score ? a.score > b.score : a.index < b.index;
}

// The candidates of an image, best first, at most `limit`.
int64_t collect(const Search &s, int64_t image, Candidate *found) {
    const float *scores = s.scores + image * s.n * s.classes;
    int64_t total = 0;
    for (int64_t box = 0, i = 0; box < s.n; ++box)
        for (int64_t label = 0; label < s.classes; ++label, ++i)
            if (scores[i] >= s.least && label != s.background) found[total++] = {scores[i], static_cast<uint32_t>(i)};
    const int64_t first = std::min(total, s.limit);
    if (first < total) std::nth_element(found, found + first, found + total, better);
    std::sort(found, found + first, better);
    return first;
}

void search(const Search &s, int64_t image) {
    Candidate *found = s.candidates + image * s.n * s.classes;
    const int64_t total = collect(s, image, found);
    auto *boxes = reinterpret_cast<Box *>(s.kept_boxes + image * s.most * 4);
    float *scores = s.kept_scores + image * s.most;
    int32_t *labels = s.labels + image * s.most;
    int64_t kept = 0;
    for (int64_t i = 0; i < total && kept < s.most; ++i) {
        const auto label = static_cast<int32_t>(found[i].index % s.classes);
        const Box box = corners(s, image, found[i].index);
        bool free = true;
        for (int64_t k = 0; k < kept && free; ++k)
            free = (!s.agnostic && labels[k] != label) || !overlaps(box, boxes[k], s.overlap);
        if (!free) continue;
        boxes[kept] = box;
        scores[kept] = s.sigmoid ? 1 / (1 + std::exp(-found[i].score)) : found[i].score;
        labels[kept++] = label;
    }
    std::fill(boxes + kept, boxes + s.most, Box{});
    std::fill(scores + kept, scores + s.most, 0.0f);
    std::fill(labels + kept, labels + s.most, 0);
    s.counts[image] = static_cast<int32_t>(kept);
}

}  // namespace
}  // namespace ew_plugins

// inputs: boxes, scores, anchors (optional); params: least score, overlap, limit, background, sigmoid, agnostic, centers;
// workspace: candidates.
extern "C" int32_t efficient_nms_f32(const ew_call *call) {
    using namespace ew_plugins;
    const ew_tensor &boxes = call->inputs[0], &scores = call->inputs[1];
    Search s{};
    s.boxes = data<const float>(boxes);
    s.scores = data<const float>(scores);
    s.n = scores.shape[1];
    s.classes = scores.shape[2];
    s.box_classes = boxes.rank == 4 ? boxes.shape[2] : 1;
    if (has_input(call, 2)) {
        s.anchors = data<const float>(call->inputs[2]);
        s.anchor_images = call->inputs[2].shape[0];
    }
    s.least = static_cast<float>(call->params[0].f);
    s.overlap = static_cast<float>(call->params[1].f);
    s.limit = call->params[2].i;
    s.background = call->params[3].i;
    s.sigmoid = call->params[4].i != 0;
    s.agnostic = call->params[5].i != 0;
    s.centers = call->params[6].i == 1;
    s.candidates = static_cast<Candidate *>(call->workspace);
    s.counts = data<int32_t>(call->outputs[0]);
    s.kept_boxes = data<float>(call->outputs[1]);
    s.kept_scores = data<float>(call->outputs[2]);
    s.labels = data<int32_t>(call->outputs[3]);
    s.most = call->outputs[2].shape[1];
    if (s.n * s.classes > UINT32_MAX || call->workspace_size < static_cast<uint64_t>(count(scores)) * sizeof(Candidate))
        return call->host->error(call, EW_SHAPE, "%lld scores for an image are too many",
                                 static_cast<long long>(s.n * s.classes));
    for_ranges(call, scores.shape[0], s.n * s.classes * 4, [&s](int64_t begin, int64_t end) {
        for (int64_t image = begin; image < end; ++image) search(s, image);
    });
    return EW_OK;
}
