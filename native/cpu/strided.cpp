// Strided copies: loops simplified, contiguous runs as such, transposed planes in blocks that stay in registers.
#include "cpu/strided.h"

#if EW_ISA_AVX2 || EW_ISA_AVX512
#include <immintrin.h>
#endif

namespace ew::EW_ISA {

namespace {

constexpr int64_t TASK_BYTES = 128 << 10;
constexpr int64_t BLOCK_BYTES = 64;  // rows of a transposed block: one cache line of the source

// Unaligned elements of each width.
struct Wide {
    int64_t lo, hi;
};

template <class T>
T load(const char *from) {
    T value;
    std::memcpy(&value, from, sizeof(T));
    return value;
}

template <class T>
void store(char *to, T value) {
    std::memcpy(to, &value, sizeof(T));
}

template <class T>
void copy_elements(char *to, int64_t to_step, const char *from, int64_t from_step, int64_t n) {
    for (int64_t i = 0; i < n; ++i) store<T>(to + i * to_step, load<T>(from + i * from_step));
}

template <class T>
void fill_elements(char *to, const char *element, int64_t n) {
    const T value = load<T>(element);
    for (int64_t i = 0; i < n; ++i) store<T>(to + i * sizeof(T), value);
}

// A plane whose rows are contiguous in the source, its columns in the target: to[r, c] = from[c, r].
struct Plane {
    char *to;
    const char *from;
    int64_t rows, columns;        // of the target
    int64_t to_row, from_column;  // bytes
};

template <class T>
void transpose_part(const Plane &p, int64_t first_row, int64_t first_column) {
    for (int64_t r = first_row; r < p.rows; ++r) {
        char *to = p.to + r * p.to_row;
        const char *from = p.from + r * sizeof(T);
        for (int64_t c = first_column; c < p.columns; ++c)
            store<T>(to + c * sizeof(T), load<T>(from + c * p.from_column));
    }
}

#if EW_ISA_AVX2 || EW_ISA_AVX512
// Eight rows of eight 4-byte elements, through registers.
inline void transpose_8x8(char *to, int64_t to_row, const char *from, int64_t from_row) {
    __m256 r[8], t[8];
    for (int i = 0; i < 8; ++i) r[i] = _mm256_loadu_ps(reinterpret_cast<const float *>(from + i * from_row));
    for (int i = 0; i < 8; i += 2) {
        t[i] = _mm256_unpacklo_ps(r[i], r[i + 1]);
        t[i + 1] = _mm256_unpackhi_ps(r[i], r[i + 1]);
    }
    for (int i = 0; i < 8; i += 4) {
        r[i] = _mm256_shuffle_ps(t[i], t[i + 2], 0x44);
        r[i + 1] = _mm256_shuffle_ps(t[i], t[i + 2], 0xee);
        r[i + 2] = _mm256_shuffle_ps(t[i + 1], t[i + 3], 0x44);
        r[i + 3] = _mm256_shuffle_ps(t[i + 1], t[i + 3], 0xee);
    }
    for (int i = 0; i < 4; ++i) {
        _mm256_storeu_ps(reinterpret_cast<float *>(to + i * to_row), _mm256_permute2f128_ps(r[i], r[i + 4], 0x20));
        _mm256_storeu_ps(reinterpret_cast<float *>(to + (i + 4) * to_row),
                         _mm256_permute2f128_ps(r[i], r[i + 4], 0x31));
    }
}

void transpose_4_bytes(const Plane &p) {
    int64_t r = 0;
    for (; r + 8 <= p.rows; r += 8) {
        int64_t c = 0;
        for (; c + 8 <= p.columns; c += 8)
            transpose_8x8(p.to + r * p.to_row + c * 4, p.to_row, p.from + c * p.from_column + r * 4, p.from_column);
        Plane strip = p;
        strip.rows = r + 8;
        transpose_part<int32_t>(strip, r, c);
    }
    transpose_part<int32_t>(p, r, 0);
}
#else
void transpose_4_bytes(const Plane &p) { transpose_part<int32_t>(p, 0, 0); }
#endif

void transpose_plane(const Plane &p, int64_t bytes) {
    switch (bytes) {
        case 1: return transpose_part<int8_t>(p, 0, 0);
        case 2: return transpose_part<int16_t>(p, 0, 0);
        case 4: return transpose_4_bytes(p);
        case 8: return transpose_part<int64_t>(p, 0, 0);
        default: return transpose_part<Wide>(p, 0, 0);
    }
}

// Drops axes of size 1, joins axes that lie one behind the other on both sides.
Walk simplified(const Walk &walk) {
    Walk found;
    for (int i = 0; i < walk.rank; ++i) {
        if (walk.size[i] == 1) continue;
        const int last = found.rank - 1;
        if (last >= 0 && found.to[last] == walk.size[i] * walk.to[i] &&
            found.from[last] == walk.size[i] * walk.from[i]) {
            found.size[last] *= walk.size[i];
            found.to[last] = walk.to[i];
            found.from[last] = walk.from[i];
        } else {
            found.add(walk.size[i], walk.to[i], walk.from[i]);
        }
    }
    return found;
}

// What is done at the innermost of the loops.
enum class Inner { Run, Strided, Fill, Transpose };

struct Job {
    Walk outer;  // the loops around
    Inner inner = Inner::Run;
    int64_t bytes = 1;  // of an element
    int64_t n = 1;      // elements of the innermost loop
    int64_t to_step = 0, from_step = 0;
    int64_t rows = 1, to_row = 0, blocks = 1;  // of a transposed plane: `n` columns, cut into blocks of rows
};

void take_axis(Walk &walk, int axis) {
    for (int i = axis; i + 1 < walk.rank; ++i) {
        walk.size[i] = walk.size[i + 1];
        walk.to[i] = walk.to[i + 1];
        walk.from[i] = walk.from[i + 1];
    }
    --walk.rank;
}

// Chooses the innermost work. A run of 2, 4, 8 or 16 bytes counts as one element.
Job plan(Walk walk, int64_t bytes) {
    Job job;
    job.bytes = bytes;
    for (;;) {
        if (walk.rank == 0) break;
        const int last = walk.rank - 1;
        const int64_t run = walk.size[last] * job.bytes;
        if (walk.to[last] != job.bytes || walk.from[last] != job.bytes || walk.rank == 1) break;
        if (run != 2 && run != 4 && run != 8 && run != 16) break;
        job.bytes = run;
        --walk.rank;
    }
    if (walk.rank > 0) {
        const int last = walk.rank - 1;
        job.n = walk.size[last];
        job.to_step = walk.to[last];
        job.from_step = walk.from[last];
        take_axis(walk, last);
    } else {
        job.to_step = job.from_step = job.bytes;
    }
    const bool dense = job.to_step == job.bytes;
    job.inner = dense && job.from_step == job.bytes ? Inner::Run
                : dense && job.from_step == 0       ? Inner::Fill
                                                    : Inner::Strided;
    for (int axis = walk.rank - 1; job.inner == Inner::Strided && dense && axis >= 0; --axis) {
        if (walk.from[axis] != job.bytes) continue;
        job.inner = Inner::Transpose;
        job.rows = walk.size[axis];
        job.to_row = walk.to[axis];
        job.blocks = (job.rows * job.bytes + BLOCK_BYTES - 1) / BLOCK_BYTES;
        take_axis(walk, axis);
    }
    job.outer = walk;
    return job;
}

void strided_run(const Job &job, char *to, const char *from) {
    switch (job.bytes) {
        case 1: return copy_elements<int8_t>(to, job.to_step, from, job.from_step, job.n);
        case 2: return copy_elements<int16_t>(to, job.to_step, from, job.from_step, job.n);
        case 4: return copy_elements<int32_t>(to, job.to_step, from, job.from_step, job.n);
        case 8: return copy_elements<int64_t>(to, job.to_step, from, job.from_step, job.n);
        default: return copy_elements<Wide>(to, job.to_step, from, job.from_step, job.n);
    }
}

void run_inner(const Job &job, char *to, const char *from, int64_t block) {
    switch (job.inner) {
        case Inner::Run: return copy_run(to, from, job.n * job.bytes);
        case Inner::Fill: return fill_run(to, from, job.n, job.bytes);
        case Inner::Strided: return strided_run(job, to, from);
        case Inner::Transpose: break;
    }
    const int64_t rows = BLOCK_BYTES / job.bytes, first = block * rows;
    const int64_t count = job.rows - first < rows ? job.rows - first : rows;
    transpose_plane({to + first * job.to_row, from + first * job.bytes, count, job.n, job.to_row, job.from_step},
                    job.bytes);
}

// Units [first, last): the outer loops, and inside each the blocks of a transposed plane.
void run_units(const Job &job, char *to, const char *from, int64_t first, int64_t last) {
    const Walk &walk = job.outer;
    int64_t place[MAX_WALK];
    int64_t block = first % job.blocks, rest = first / job.blocks;
    for (int i = walk.rank - 1; i >= 0; --i) {
        place[i] = rest % walk.size[i];
        rest /= walk.size[i];
        to += place[i] * walk.to[i];
        from += place[i] * walk.from[i];
    }
    for (int64_t unit = first; unit < last; ++unit) {
        run_inner(job, to, from, block);
        if (++block < job.blocks) continue;
        block = 0;
        for (int i = walk.rank - 1; i >= 0; --i) {
            to += walk.to[i];
            from += walk.from[i];
            if (++place[i] < walk.size[i]) break;
            to -= walk.size[i] * walk.to[i];
            from -= walk.size[i] * walk.from[i];
            place[i] = 0;
        }
    }
}

// A single long run has no outer loop to cut: its bytes are the units.
void copy_bytes(const ew_call *call, char *to, const char *from, int64_t n) {
    for_ranges(call, n, task_count(n, n),
               [=](int64_t first, int64_t last) { std::memcpy(to + first, from + first, last - first); });
}

}  // namespace

int64_t task_count(int64_t bytes, int64_t units) {
    const int64_t tasks = bytes / TASK_BYTES;
    const int64_t most = tasks < 64 ? tasks : 64;
    return most < units ? most : units;
}

void fill_run(char *to, const char *element, int64_t count, int64_t bytes) {
    switch (bytes) {
        case 1: return fill_elements<int8_t>(to, element, count);
        case 2: return fill_elements<int16_t>(to, element, count);
        case 4: return fill_elements<int32_t>(to, element, count);
        case 8: return fill_elements<int64_t>(to, element, count);
        default: return fill_elements<Wide>(to, element, count);
    }
}

void copy_strided(const ew_call *call, void *to, const void *from, const Walk &walk, int64_t bytes) {
    int64_t total = bytes;
    for (int i = 0; i < walk.rank; ++i) total *= walk.size[i];
    if (total == 0) return;
    const Job job = plan(simplified(walk), bytes);
    char *const target = static_cast<char *>(to);
    const char *const source = static_cast<const char *>(from);
    if (job.inner == Inner::Run && job.outer.rank == 0) return copy_bytes(call, target, source, job.n * job.bytes);
    int64_t units = job.blocks;
    for (int i = 0; i < job.outer.rank; ++i) units *= job.outer.size[i];
    for_ranges(call, units, task_count(total, units),
               [&](int64_t first, int64_t last) { run_units(job, target, source, first, last); });
}

int32_t check_indices(const ew_call *call, const ew_tensor &indices, int64_t size) {
    const int64_t n = count_of(indices);
    for (int64_t i = 0; i < n; ++i) {
        const int64_t index = read_index(indices, i);
        if (index_in(index, size) < 0)
            return call->host->error(call, EW_INPUT,
                                     "index %lld is outside an axis of size %lld; allowed are %lld to %lld",
                                     (long long)index, (long long)size, (long long)-size, (long long)(size - 1));
    }
    return EW_OK;
}

}  // namespace ew::EW_ISA
