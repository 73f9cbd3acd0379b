// Up to three f32 convolutions one behind another, with channels last: a 1 x 1, a depthwise one, a 1 x 1. Only the rows
// that the next output rows see exist in between, in memory of the thread that stays in its L2 cache.
//
// Inputs: x [N, H, W, C], then packed weights and a bias, if any, of each convolution, then what the fused program reads.
// Params: index of how many tasks, number of convolutions; for each whether it is depthwise, how many inputs it has
// besides x, how many params, and these: those of pixels.cpp or depthwise_nhwc.cpp with a program that reads nothing else.
// Behind those of the last one the fused program (rows: positions of the output, columns: its channels).
#include "cpu/depthwise_rows.h"
#include "cpu/pixels.h"
#include "cpu/pointwise.h"

namespace ew::EW_ISA {

namespace {

constexpr int MAX_STAGES = 3, MOST_INPUTS = 3 + MAX_INPUTS;
constexpr int64_t MAX_LINES = 16;        // rows of a depthwise window
constexpr int64_t BLOCK = 56 << 10;      // floats of all rows in between: a quarter of L2
constexpr int64_t TASKS[] = {2, 4, 12};  // of an image, at least one row each

// What a stage would be called with; x has no memory, nor has y unless the stage is the last.
struct StageCall {
    ew_call call;
    ew_tensor inputs[MOST_INPUTS], output;
    int64_t shape[4];
};

struct Stage {
    StageCall made;
    bool depthwise = false;
    PixelConv pixels;
    LastConv conv;
    Epilogue epilogue;
    Finish finish;
    bool rest = false;  // the program runs behind the finish
    int fixed = 0, inputs = 0;
    int64_t channels = 0;
    int64_t positions() const { return made.shape[0] * made.shape[1] * made.shape[2]; }
};

struct Chain {
    Stage stages[MAX_STAGES];
    int n = 0;
    const Stage *first = nullptr, *last = nullptr;  // the 1 x 1 convolutions, if there
    const Stage *middle = nullptr;
    const float *x;
    float *y;
    int64_t images, in_channels;
};

bool parse_stage(Stage &stage) {
    const ew_call &call = stage.made.call;
    if (stage.depthwise ? !read_last_conv(&call, stage.conv) || stage.conv.channels != 1 || stage.conv.per_group != 1 ||
                              stage.conv.kernel[1] > MAX_LINES
                        : !read_pixels(&call, stage.pixels))
        return false;
    stage.channels = stage.made.inputs[1].shape[0];
    stage.inputs = static_cast<int>(call.params[1].i);
    if (stage.inputs > 2 && present(&call, 2)) stage.finish.bias_col = f32(stage.made.inputs[2]);
    if (!stage.epilogue.parse(&call, stage.fixed, stage.inputs, stage.positions(), stage.channels)) return false;
    stage.rest = !stage.epilogue.empty() && !stage.epilogue.as_finish(stage.finish);
    return true;
}

// False: no such chain.
bool parse(const ew_call *call, Chain &chain) {
    const ew_tensor &x = call->inputs[0], &y = call->outputs[0];
    if (call->n_params < 2) return false;
    const ew_param *p = call->params + 2, *end = call->params + call->n_params;
    chain.n = static_cast<int>(call->params[1].i);
    if (chain.n < 1 || chain.n > MAX_STAGES || x.rank != 4 || y.rank != 4) return false;
    int input = 1;
    for (int i = 0; i < chain.n; ++i) {
        if (end - p < 3) return false;
        Stage &stage = chain.stages[i];
        const bool last = i == chain.n - 1;
        stage.depthwise = p[0].i != 0;
        stage.fixed = stage.depthwise ? 8 : 3;
        const int64_t others = last ? call->n_inputs - input : p[1].i, n_params = last ? end - p - 3 : p[2].i;
        p += 3;
        if (others < 1 || others >= MOST_INPUTS || input + others > call->n_inputs || n_params < stage.fixed ||
            n_params > end - p)
            return false;
        StageCall &s = stage.made;
        s.call = *call;
        s.inputs[0] = x;
        s.inputs[0].shape = i == 0 ? x.shape : chain.stages[i - 1].made.shape;
        for (int64_t k = 0; k < others; ++k) s.inputs[1 + k] = call->inputs[input + k];
        std::memcpy(s.shape, s.inputs[0].shape, sizeof s.shape);
        if (stage.depthwise) s.shape[1] = y.shape[1], s.shape[2] = y.shape[2];
        s.shape[3] = s.inputs[1].shape[0];
        s.output = y;
        s.output.shape = s.shape;
        s.call.inputs = s.inputs;
        s.call.outputs = last ? call->outputs : &s.output;
        s.call.params = p;
        s.call.n_inputs = static_cast<int32_t>(1 + others);
        s.call.n_params = static_cast<int32_t>(n_params);
        if (!parse_stage(stage)) return false;
        (stage.depthwise ? chain.middle : chain.middle ? chain.last : chain.first) = &stage;
        p += n_params;
        input += static_cast<int>(others);
    }
    chain.x = f32(x);
    chain.y = static_cast<float *>(y.data);
    chain.images = x.shape[0];
    chain.in_channels = x.shape[3];
    const int found = (chain.first != nullptr) + (chain.middle != nullptr) + (chain.last != nullptr);
    return chain.middle && found == chain.n && chain.stages[chain.n - 1].channels == y.shape[3] &&
           chain.images == y.shape[0];
}

// The program of a stage that is not the last, run in place on rows of one thread.
class Inside {
  public:
    explicit Inside(const Stage *stage) : stage_(stage) {
        if (!runs()) return;
        ew_call call = stage->made.call;
        call.outputs = &rows_;
        epilogue_.parse(&call, stage->fixed, stage->inputs, stage->positions(), stage->channels);  // as it was before
    }
    Inside(const Inside &) = delete;
    void run(float *rows, int64_t n) {
        if (!runs()) return;
        rows_.data = rows;
        epilogue_.run(rows, stage_->channels, 0, n, 0, stage_->channels);
    }

  private:
    const Stage *stage_;
    ew_tensor rows_{nullptr, nullptr, nullptr, nullptr, 0, EW_FLOAT32, 0, 0};
    Epilogue epilogue_;
    bool runs() const { return stage_ && stage_->rest; }
};

// The input rows that an output row sees, each with the weights of its taps; where they lie `place` says.
template <typename Place>
int64_t list_lines(const LastConv &c, int64_t row, Line *list, Place &&place) {
    int64_t lines = 0;
    for (int64_t ky = 0; ky < c.kernel[1]; ++ky) {
        const int64_t y = row * c.stride[1] + ky * c.dilation[1] - c.begin[1];
        if (y >= 0 && y < c.in[1]) list[lines++] = {place(y), c.w + ky * c.kernel[2] * c.c};
    }
    return lines;
}

int64_t reach_of(const LastConv &c) { return (c.kernel[1] - 1) * c.dilation[1] + 1; }

// Some output rows of an image, some channels between at a time: all weights are read once.
class Slices {
  public:
    Slices(const Chain &chain, int64_t image, int64_t begin, int64_t end)
        : c_(chain), conv_(chain.middle->conv), begin_(begin), end_(end) {
        top_ = most(0, begin * conv_.stride[1] - conv_.begin[1]);
        bottom_ = most(top_, least(conv_.in[1], (end - 1) * conv_.stride[1] - conv_.begin[1] + reach_of(conv_)));
        pixels_ = (end - begin) * conv_.out[2];
        position_ = (image * conv_.out[1] + begin) * conv_.out[2];
        x_ = chain.x + (image * conv_.in[1] + top_) * conv_.in[2] * chain.in_channels;
    }

    static bool fit(const Chain &c) {
        const auto plain = [](const Stage *s) { return s && s->pixels.group == 1 && s->pixels.shuffled == 1; };
        if (!plain(c.first) || !plain(c.last) || c.first->rest || c.middle->rest) return false;
        return (c.in_channels + c.last->channels) * c.middle->conv.c > FEW_WEIGHTS;
    }

    void run() {
        const Panels panels(conv_.c);
        const int64_t seen = (bottom_ - top_) * conv_.in[2];
        const int64_t wanted = most(1, BLOCK / (seen + pixels_) / (MAX_VECTORS * VL));
        const int64_t slices = ceil_div(panels.count, wanted), step = ceil_div(panels.count, slices);
        wide_ = scratch(SCRATCH_A, seen * step * MAX_VECTORS * VL);
        narrow_ = scratch(SCRATCH_B, pixels_ * step * MAX_VECTORS * VL);
        for (int64_t from = 0; from < panels.count; from += step) {
            const int64_t to = least(panels.count, from + step), channel = panels.column(from);
            const int64_t width = (to < panels.count ? panels.column(to) : conv_.c) - channel;
            run_slice(c_.first->pixels, {x_, c_.in_channels, seen, wide_, width}, c_.first->finish,
                      {from, to, 0, c_.in_channels});
            run_middle(channel, width);
            finish(channel, width);
        }
    }

  private:
    static constexpr int64_t FEW_WEIGHTS = 24 << 10;  // floats that may pass by again and again
    const Chain &c_;
    const LastConv &conv_;
    const int64_t begin_, end_;
    int64_t top_, bottom_, pixels_, position_;  // rows that are seen; positions of the output
    const float *x_;
    float *wide_ = nullptr, *narrow_ = nullptr;

    void run_middle(int64_t channel, int64_t width) {
        const Finish finish = moved_finish(c_.middle->finish, 0, channel);
        for (int64_t row = begin_; row < end_; ++row) {
            Line list[MAX_LINES];
            const int64_t lines =
                list_lines(conv_, row, list, [&](int64_t y) { return wide_ + (y - top_) * conv_.in[2] * width; });
            for (int64_t i = 0; i < lines; ++i) list[i].w += channel;
            float *y = narrow_ + (row - begin_) * conv_.out[2] * width;
            run_lines({conv_, finish, list, lines, y, 0, width}, 0, width);
        }
    }

    // Adds the products of these channels.
    void finish(int64_t channel, int64_t width) {
        const Stage &last = *c_.last;
        const bool begins = channel == 0, ends = channel + width == conv_.c;
        Finish f;
        if (ends) f = moved_finish(last.finish, position_, 0);
        f.bias_col = begins ? last.finish.bias_col : nullptr;
        f.accumulate = !begins;
        float *y = c_.y + position_ * last.channels;
        run_slice(last.pixels, {narrow_, width, pixels_, y, last.channels}, f,
                  {0, Panels(last.channels).count, channel, width});
        if (ends && last.rest) last.epilogue.run(y, last.channels, position_, position_ + pixels_, 0, last.channels);
    }
};

// Some output rows of an image, a few at a time.
class Worker {
  public:
    Worker(const Chain &chain, int64_t image)
        : c_(chain),
          conv_(chain.middle->conv),
          image_(image),
          first_(chain.first),
          middle_(chain.last ? chain.middle : nullptr) {
        const int64_t reach = reach_of(conv_);
        const int64_t wide = conv_.in[2] * conv_.c, narrow = conv_.out[2] * conv_.c;
        const int64_t per_row = conv_.stride[1] * wide + narrow, over = (reach - conv_.stride[1]) * wide;
        block_ = most(1, least(conv_.out[1], (BLOCK - over) / most(1, per_row)));
        if (c_.first) {
            slots_ = (block_ - 1) * conv_.stride[1] + reach;
            ring_ = scratch(SCRATCH_A, slots_ * wide);
        }
        if (c_.last) rows_ = scratch(SCRATCH_B, block_ * narrow);
    }

    void run(int64_t begin, int64_t end) {
        done_ = most(0, begin * conv_.stride[1] - conv_.begin[1]);
        for (int64_t row = begin; row < end; row += block_) run_block(row, least(end, row + block_));
    }

  private:
    const Chain &c_;
    const LastConv &conv_;
    const int64_t image_;
    Inside first_, middle_;
    int64_t block_ = 1, slots_ = 1, done_ = 0;  // done: first row that the first stage has not made
    float *ring_ = nullptr, *rows_ = nullptr;

    // Makes the rows of the first stage up to `end`, as many at once as lie one behind another.
    void widen(int64_t end) {
        const int64_t width = conv_.in[2], wide = width * conv_.c;
        while (done_ < end) {
            const int64_t slot = done_ % slots_, n = least(end - done_, slots_ - slot);
            const float *x = c_.x + (image_ * conv_.in[1] + done_) * width * c_.in_channels;
            float *out = ring_ + slot * wide;
            run_pixels(c_.first->pixels, {x, c_.in_channels, n * width, out, conv_.c}, c_.first->finish, 0,
                       c_.first->pixels.group);
            first_.run(out, n * width);
            done_ += n;
        }
    }

    const float *input_row(int64_t y) const {
        const int64_t wide = conv_.in[2] * conv_.c;
        return c_.first ? ring_ + y % slots_ * wide : c_.x + (image_ * conv_.in[1] + y) * wide;
    }

    void run_block(int64_t begin, int64_t end) {
        const int64_t reach = reach_of(conv_), narrow = conv_.out[2] * conv_.c;
        const int64_t position = (image_ * conv_.out[1] + begin) * conv_.out[2], n = (end - begin) * conv_.out[2];
        if (c_.first) widen(least(conv_.in[1], (end - 1) * conv_.stride[1] - conv_.begin[1] + reach));
        float *out = c_.last ? rows_ : c_.y + position * conv_.c;
        for (int64_t row = begin; row < end; ++row) {
            Line list[MAX_LINES];
            const int64_t lines = list_lines(conv_, row, list, [&](int64_t y) { return input_row(y); });
            const Lines l{conv_,
                          c_.middle->finish,
                          list,
                          lines,
                          out + (row - begin) * narrow,
                          position + (row - begin) * conv_.out[2],
                          conv_.c};
            run_lines(l, 0, conv_.c);
        }
        if (!c_.last) {
            if (c_.middle->rest) c_.middle->epilogue.run(out, conv_.c, position, position + n, 0, conv_.c);
            return;
        }
        middle_.run(out, n);
        const Stage &last = *c_.last;
        float *y = c_.y + position * last.channels;
        run_pixels(last.pixels, {out, conv_.c, n, y, last.channels}, moved_finish(last.finish, position, 0), 0,
                   last.pixels.group);
        if (last.rest) last.epilogue.run(y, last.channels, position, position + n, 0, last.channels);
    }
};

int32_t run(const ew_call *call) {
    Chain chain;
    if (call->n_outputs != 1 || call->outputs[0].dtype != EW_FLOAT32 || !parse(call, chain))
        return call->host->error(call, EW_SHAPE, "convolutions one behind another: sizes disagree");
    const int64_t height = chain.middle->conv.out[1], which = call->params[0].i;
    if (count(call->outputs[0]) == 0) return EW_OK;
    if (which < 0 || which >= static_cast<int64_t>(sizeof TASKS / sizeof *TASKS)) return EW_INVALID_PLAN;
    const int64_t rows = ceil_div(height, most(1, ceil_div(TASKS[which], chain.images))),
                  parts = ceil_div(height, rows);
    parallel(call, chain.images * parts, [&](int64_t task) {
        const int64_t begin = task % parts * rows, end = least(height, begin + rows);
        if (Slices::fit(chain))
            Slices(chain, task / parts, begin, end).run();
        else
            Worker(chain, task / parts).run(begin, end);
    });
    return EW_OK;
}

}  // namespace

EW_KERNEL(conv_chain_nhwc_f32, run)

}  // namespace ew::EW_ISA
