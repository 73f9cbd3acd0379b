// CTC decoding: the best path, and prefix beam search with a tree of labels.
#include <cmath>
#include <limits>

#include "kernels.h"

namespace ew_plugins {
namespace {

constexpr double NEVER = -std::numeric_limits<double>::infinity();

// What both decoders work on.
struct Sequences {
    const ew_call *call;
    const float *x;
    int64_t batch, frames, classes, blank, paths;
    int64_t *labels;  // workspace: [batch][paths][frames]
    int64_t *counts;
    float *scores;
};

Sequences sequences_of(const ew_call *call, int64_t paths, void *labels) {
    const int64_t *shape = call->inputs[0].shape;
    return {call,
            data<const float>(call->inputs[0]),
            shape[0],
            shape[1],
            shape[2],
            call->params[0].i,
            paths,
            static_cast<int64_t *>(labels),
            data<int64_t>(call->outputs[1]),
            data<float>(call->outputs[2])};
}

int64_t length_of(const Sequences &s, int64_t index) {
    if (!has_input(s.call, 1)) return s.frames;
    const ew_tensor &lengths = s.call->inputs[1];
    return lengths.dtype == EW_INT32 ? data<const int32_t>(lengths)[index] : data<const int64_t>(lengths)[index];
}

int32_t check(const Sequences &s) {
    for (int64_t i = 0; i < s.batch; ++i)
        if (const int64_t length = length_of(s, i); length < 0 || length > s.frames)
            return s.call->host->error(s.call, EW_INPUT, "sequence %lld has %lld of %lld frames",
                                       static_cast<long long>(i), static_cast<long long>(length),
                                       static_cast<long long>(s.frames));
    return EW_OK;
}

// What is no number, or infinite, is impossible.
double value(float v) { return v < std::numeric_limits<float>::infinity() ? static_cast<double>(v) : NEVER; }

// The labels behind one another, as wide as the longest.
void write_labels(const Sequences &s) {
    const ew_tensor &y = s.call->outputs[0];
    const int64_t rows = s.batch * s.paths;
    int64_t longest = 0;
    for (int64_t r = 0; r < rows; ++r) longest = std::max(longest, s.counts[r]);
    for (int32_t axis = 0; axis + 1 < y.rank; ++axis) y.size_out[axis] = y.shape[axis];
    y.size_out[y.rank - 1] = longest;
    auto *to = data<int64_t>(y);
    for (int64_t r = 0; r < rows; ++r, to += longest) {
        std::copy_n(s.labels + r * s.frames, s.counts[r], to);
        std::fill(to + s.counts[r], to + longest, int64_t{-1});
    }
}

void greedy(const Sequences &s, int64_t index, bool merge) {
    const int64_t length = length_of(s, index);
    int64_t *labels = s.labels + index * s.frames, count = 0, last = -1;
    double score = 0;
    for (int64_t t = 0; t < length; ++t) {
        const float *frame = s.x + (index * s.frames + t) * s.classes;
        int64_t best = 0;
        double highest = NEVER;
        for (int64_t c = 0; c < s.classes; ++c)
            if (const double v = value(frame[c]); v > highest) {
                highest = v;
                best = c;
            }
        score += highest;
        if (best != s.blank && !(merge && best == last)) labels[count++] = best;
        last = best;
    }
    s.counts[index] = count;
    s.scores[index] = static_cast<float>(score);
}

// A label: its beginning and its last symbol. Nodes of one beginning form a list.
struct Node {
    int32_t parent, symbol, child, next;
};

struct Beam {
    double blank, other;  // logarithms: of ending in a blank, or in the last symbol
    int32_t node;
};

// A beam of the next frame: `symbol` behind `node`, or -1: the label of `node` itself.
struct Candidate {
    double blank, other, score;
    int32_t node, symbol, order;
};
static_assert(sizeof(Node) == 16 && sizeof(Beam) == 24 && sizeof(Candidate) == 40, "the tactic knows these sizes");

double log_add(double a, double b) {
    const double high = std::max(a, b), low = std::min(a, b);
    return low == NEVER ? high : high + std::log1p(std::exp(low - high));
}

bool better(const Candidate &a, const Candidate &b) {
    return a.score != b.score ? a.score > b.score : a.order < b.order;
}

struct Search {
    Node *nodes;
    Beam *beams;
    Candidate *best;  // a heap with the worst on top
    int64_t width, classes, blank, n_nodes, n_beams, n_best;
};

void offer(Search &s, const Candidate &candidate) {
    if (candidate.score == NEVER) return;
    if (s.n_best == s.width) {
        if (!better(candidate, s.best[0])) return;
        std::pop_heap(s.best, s.best + s.n_best--, better);
    }
    s.best[s.n_best++] = candidate;
    std::push_heap(s.best, s.best + s.n_best, better);
}

// What a symbol behind a beam's label may follow: after the same symbol only a blank.
double start_of(const Search &s, const Beam &beam, int32_t symbol) {
    return s.nodes[beam.node].symbol == symbol ? beam.blank : log_add(beam.blank, beam.other);
}

const Beam *beam_of(const Search &s, int32_t node) {
    for (int64_t b = 0; b < s.n_beams; ++b)
        if (s.beams[b].node == node) return &s.beams[b];
    return nullptr;
}

bool is_followed(const Search &s, int32_t parent, int32_t symbol) {
    for (int64_t b = 0; b < s.n_beams; ++b) {
        const Node &node = s.nodes[s.beams[b].node];
        if (node.parent == parent && node.symbol == symbol) return true;
    }
    return false;
}

// The beams as they are after another frame, those that grow into one another together.
void offer_kept(Search &s, const float *frame) {
    for (int64_t b = 0; b < s.n_beams; ++b) {
        const Beam &beam = s.beams[b];
        const Node &node = s.nodes[beam.node];
        Candidate c{
            log_add(beam.blank, beam.other) + value(frame[s.blank]), NEVER, 0, beam.node, -1, static_cast<int32_t>(b)};
        if (node.symbol >= 0) {
            c.other = beam.other + value(frame[node.symbol]);
            if (const Beam *parent = beam_of(s, node.parent); parent != nullptr)
                c.other = log_add(c.other, start_of(s, *parent, node.symbol) + value(frame[node.symbol]));
        }
        c.score = log_add(c.blank, c.other);
        offer(s, c);
    }
}

void offer_longer(Search &s, const float *frame) {
    auto order = static_cast<int32_t>(s.n_beams);
    for (int64_t b = 0; b < s.n_beams; ++b) {
        const Beam &beam = s.beams[b];
        const double total = log_add(beam.blank, beam.other);
        const int32_t last = s.nodes[beam.node].symbol;
        for (int32_t symbol = 0; symbol < s.classes; ++symbol, ++order) {
            const double score = (symbol == last ? beam.blank : total) + value(frame[symbol]);
            if (symbol == s.blank || (s.n_best == s.width && !(score > s.best[0].score))) continue;
            if (!is_followed(s, beam.node, symbol)) offer(s, {NEVER, score, score, beam.node, symbol, order});
        }
    }
}

int32_t child_of(Search &s, int32_t parent, int32_t symbol) {
    for (int32_t child = s.nodes[parent].child; child >= 0; child = s.nodes[child].next)
        if (s.nodes[child].symbol == symbol) return child;
    const auto made = static_cast<int32_t>(s.n_nodes++);
    s.nodes[made] = {parent, symbol, -1, s.nodes[parent].child};
    s.nodes[parent].child = made;
    return made;
}

void step(Search &s, const float *frame) {
    s.n_best = 0;
    offer_kept(s, frame);
    offer_longer(s, frame);
    std::sort(s.best, s.best + s.n_best, better);
    for (int64_t b = 0; b < s.n_best; ++b) {
        const Candidate &c = s.best[b];
        s.beams[b] = {c.blank, c.other, c.symbol < 0 ? c.node : child_of(s, c.node, c.symbol)};
    }
    s.n_beams = s.n_best;
}

void write_path(const Sequences &s, const Search &search, int64_t row, int64_t rank) {
    s.counts[row] = 0;
    s.scores[row] = -std::numeric_limits<float>::infinity();
    if (rank >= search.n_beams) return;
    const Beam &beam = search.beams[rank];
    int64_t *labels = s.labels + row * s.frames, count = 0;
    for (int32_t n = beam.node; search.nodes[n].symbol >= 0; n = search.nodes[n].parent)
        labels[count++] = search.nodes[n].symbol;
    std::reverse(labels, labels + count);
    s.counts[row] = count;
    s.scores[row] = static_cast<float>(log_add(beam.blank, beam.other));
}

void beam_search(const Sequences &s, int64_t index, int64_t width, char *memory) {
    Search search{};
    search.nodes = reinterpret_cast<Node *>(memory);
    search.beams = reinterpret_cast<Beam *>(memory + (s.frames * width + 1) * static_cast<int64_t>(sizeof(Node)));
    search.best = reinterpret_cast<Candidate *>(search.beams + width);
    search.width = width;
    search.classes = s.classes;
    search.blank = s.blank;
    search.nodes[0] = {-1, -1, -1, -1};
    search.n_nodes = search.n_beams = 1;
    search.beams[0] = {0, NEVER, 0};
    for (int64_t t = 0, length = length_of(s, index); t < length; ++t)
        step(search, s.x + (index * s.frames + t) * s.classes);
    for (int64_t rank = 0; rank < s.paths; ++rank) write_path(s, search, index * s.paths + rank, rank);
}

}  // namespace
}  // namespace ew_plugins

// inputs: log_probs, lengths (optional); outputs: labels by size_out, counts, scores; params: blank, merge; workspace:
// labels.
extern "C" int32_t ctc_greedy_f32(const ew_call *call) {
    using namespace ew_plugins;
    const Sequences s = sequences_of(call, 1, call->workspace);
    if (call->workspace_size < static_cast<uint64_t>(s.batch * s.frames) * 8)
        return call->host->error(call, EW_INVALID_PLAN, "the workspace is too small");
    if (const int32_t status = check(s); status != EW_OK) return status;
    const bool merge = call->params[1].i != 0;
    for_ranges(call, s.batch, s.frames * s.classes, [&s, merge](int64_t begin, int64_t end) {
        for (int64_t i = begin; i < end; ++i) greedy(s, i, merge);
    });
    write_labels(s);
    return EW_OK;
}

// As above; params: blank, beam width, paths; workspace: for each sequence a tree and two lists, then labels.
extern "C" int32_t ctc_beam_f32(const ew_call *call) {
    using namespace ew_plugins;
    const int64_t width = call->params[1].i, batch = call->inputs[0].shape[0], frames = call->inputs[0].shape[1];
    const int64_t tree = (frames * width + 1) * static_cast<int64_t>(sizeof(Node));
    const int64_t each = tree + width * static_cast<int64_t>(sizeof(Beam) + sizeof(Candidate));
    auto *memory = static_cast<char *>(call->workspace);
    const Sequences s = sequences_of(call, call->params[2].i, memory + batch * each);
    if (call->workspace_size < static_cast<uint64_t>(batch * (each + s.paths * frames * 8)))
        return call->host->error(call, EW_INVALID_PLAN, "the workspace is too small");
    if (s.blank >= s.classes || width * std::max(frames, s.classes + 1) >= INT32_MAX)
        return call->host->error(call, EW_INPUT, "blank is %lld, there are %lld classes",
                                 static_cast<long long>(s.blank), static_cast<long long>(s.classes));
    if (const int32_t status = check(s); status != EW_OK) return status;
    for_ranges(call, batch, frames * s.classes * width * 8, [&s, width, memory, each](int64_t begin, int64_t end) {
        for (int64_t i = begin; i < end; ++i) beam_search(s, i, width, memory + i * each);
    });
    write_labels(s);
    return EW_OK;
}
