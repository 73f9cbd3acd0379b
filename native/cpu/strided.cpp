// Strided copies: loops simplified, contiguous runs as such, transposed planes in blocks that stay in registers.
#include "cpu/strided.h"

#if defined(__SSE2__)
#include <immintrin.h>
#endif

namespace ew::EW_ISA {

namespace {

constexpr int64_t TASK_BYTES = 32 << 10;    // some microseconds; to share them costs a third of one
constexpr int64_t BLOCK_BYTES = 64;         // rows of a transposed block: one cache line of the source
constexpr int64_t LONG_BLOCK_BYTES = 4096;  // where there are so few columns that all lines stay in the cache

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

// Columns in blocks, so that the cache lines that a block of rows reads are still there for its next row.
template <class T>
void transpose_blocks(const Plane &p) {
    constexpr int64_t COLUMNS = 16;
    for (int64_t c = 0; c < p.columns; c += COLUMNS) {
        const int64_t count = p.columns - c < COLUMNS ? p.columns - c : COLUMNS;
        transpose_part<T>(
            {p.to + c * int64_t{sizeof(T)}, p.from + c * p.from_column, p.rows, count, p.to_row, p.from_column}, 0, 0);
    }
}

// A few columns, such as the channels of a picture: the rows of the target are as many elements, one behind the other.
template <class T, int COLUMNS>
void interleave(const Plane &p) {
    for (int64_t r = 0; r < p.rows; ++r)
        for (int c = 0; c < COLUMNS; ++c)
            store<T>(p.to + (r * COLUMNS + c) * sizeof(T), load<T>(p.from + c * p.from_column + r * sizeof(T)));
}

template <class T>
bool interleaved(const Plane &p) {
    if (p.to_row != p.columns * int64_t{sizeof(T)}) return false;
    switch (p.columns) {
        case 2: return interleave<T, 2>(p), true;
        case 3: return interleave<T, 3>(p), true;
        case 4: return interleave<T, 4>(p), true;
        default: return false;
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

#endif

#if defined(__SSE2__)
inline __m128i load_half(const char *from) { return _mm_loadl_epi64(reinterpret_cast<const __m128i *>(from)); }
inline __m128i load_whole(const char *from) { return _mm_loadu_si128(reinterpret_cast<const __m128i *>(from)); }

// Eight rows of eight 2-byte elements.
inline void transpose_8x8_2(char *to, int64_t to_row, const char *from, int64_t from_row) {
    __m128i r[8], t[8];
    for (int i = 0; i < 8; ++i) r[i] = load_whole(from + i * from_row);
    for (int i = 0; i < 4; ++i) {
        t[2 * i] = _mm_unpacklo_epi16(r[i], r[i + 4]);
        t[2 * i + 1] = _mm_unpackhi_epi16(r[i], r[i + 4]);
    }
    // After three rounds of pairing i with i + 4, register i holds column i.
    for (int round = 0; round < 2; ++round) {
        for (int i = 0; i < 8; ++i) r[i] = t[i];
        for (int i = 0; i < 4; ++i) {
            t[2 * i] = _mm_unpacklo_epi16(r[i], r[i + 4]);
            t[2 * i + 1] = _mm_unpackhi_epi16(r[i], r[i + 4]);
        }
    }
    for (int i = 0; i < 8; ++i) _mm_storeu_si128(reinterpret_cast<__m128i *>(to + i * to_row), t[i]);
}

// Eight rows of eight bytes.
inline void transpose_8x8_1(char *to, int64_t to_row, const char *from, int64_t from_row) {
    __m128i r[4], t[4];
    for (int i = 0; i < 4; ++i)
        r[i] = _mm_unpacklo_epi8(load_half(from + i * from_row), load_half(from + (i + 4) * from_row));
    for (int i = 0; i < 2; ++i) {
        t[2 * i] = _mm_unpacklo_epi8(r[i], r[i + 2]);
        t[2 * i + 1] = _mm_unpackhi_epi8(r[i], r[i + 2]);
    }
    for (int i = 0; i < 2; ++i) {
        r[2 * i] = _mm_unpacklo_epi8(t[i], t[i + 2]);
        r[2 * i + 1] = _mm_unpackhi_epi8(t[i], t[i + 2]);
    }
    for (int i = 0; i < 4; ++i) {
        _mm_storel_epi64(reinterpret_cast<__m128i *>(to + 2 * i * to_row), r[i]);
        _mm_storel_epi64(reinterpret_cast<__m128i *>(to + (2 * i + 1) * to_row), _mm_unpackhi_epi64(r[i], r[i]));
    }
}
#endif

using Block = void (*)(char *to, int64_t to_row, const char *from, int64_t from_row);

// Blocks of eight by eight, two side by side, so that a cache line of the target is written at once; then the edges.
template <class T, Block BLOCK>
void transpose_with(const Plane &p) {
    constexpr int64_t bytes = sizeof(T);
    const int64_t rows = p.rows / 8 * 8, columns = p.columns / 8 * 8;
    for (int64_t c = 0; c < columns; c += 16)
        for (int64_t r = 0; r < rows; r += 8)
            for (int64_t k = c; k < columns && k < c + 16; k += 8)
                BLOCK(p.to + r * p.to_row + k * bytes, p.to_row, p.from + k * p.from_column + r * bytes, p.from_column);
    Plane strip = p;
    strip.rows = rows;
    transpose_part<T>(strip, 0, columns);
    transpose_part<T>(p, rows, 0);
}

void transpose_4_bytes(const Plane &p) {
    if (interleaved<int32_t>(p)) return;
#if EW_ISA_AVX2 || EW_ISA_AVX512
    transpose_with<int32_t, transpose_8x8>(p);
#else
    transpose_blocks<int32_t>(p);
#endif
}

void transpose_2_bytes(const Plane &p) {
    if (interleaved<int16_t>(p)) return;
#if defined(__SSE2__)
    transpose_with<int16_t, transpose_8x8_2>(p);
#else
    transpose_blocks<int16_t>(p);
#endif
}

void transpose_1_byte(const Plane &p) {
    if (interleaved<int8_t>(p)) return;
#if defined(__SSE2__)
    transpose_with<int8_t, transpose_8x8_1>(p);
#else
    transpose_blocks<int8_t>(p);
#endif
}

void transpose_plane(const Plane &p, int64_t bytes) {
    switch (bytes) {
        case 1: return transpose_1_byte(p);
        case 2: return transpose_2_bytes(p);
        case 4: return transpose_4_bytes(p);
        case 8: return transpose_blocks<int64_t>(p);
        default: return transpose_blocks<Wide>(p);
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
    int64_t block_rows = 1;
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
        job.block_rows = (job.n <= 8 ? LONG_BLOCK_BYTES : BLOCK_BYTES) / job.bytes;
        job.blocks = (job.rows + job.block_rows - 1) / job.block_rows;
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
    const int64_t first = block * job.block_rows;
    const int64_t count = job.rows - first < job.block_rows ? job.rows - first : job.block_rows;
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

// Where there is no loop around, the innermost one is cut.
void copy_loop(const ew_call *call, const Job &job, char *to, const char *from) {
    for_ranges(call, job.n, task_count(job.n * job.bytes, job.n), [&](int64_t first, int64_t last) {
        Job part = job;
        part.n = last - first;
        run_inner(part, to + first * job.to_step, from + first * job.from_step, 0);
    });
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
    if (job.inner != Inner::Transpose && job.outer.rank == 0) return copy_loop(call, job, target, source);
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
