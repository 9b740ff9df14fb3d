// Winners by keys and their weighted products in vectors of 512 bits. Included inside the region of
// a file that raises the instruction set, after a policy type V with what tile_simd.inl wants and
//
//   Merge         a sum and a position's code make a key (Keys): merge(merge.prepared(sum), code)
//   row_code      what a row adds to the keys of its sums
//   last_wins     whether of several keys equal to this one that of the last position is meant
//
// and store, lowest, max, largest_everywhere, equal, as_integers.

#include "cpu/tile_simd.inl"

// Brings numbers to the second-level cache, a part at each call.
class Bringer {
  public:
    Bringer(const float* numbers, int64_t count, int64_t calls)
        : at_(numbers),
          end_(numbers + count),
          part_(((count + calls - 1) / calls + kLine - 1) / kLine * kLine) {}
    void operator()() {
        const float* const stop = end_ - at_ < part_ ? end_ : at_ + part_;
        for (; at_ < stop; at_ += kLine) {
            _mm_prefetch(reinterpret_cast<const char*>(at_), _MM_HINT_T1);
        }
    }

  private:
    static constexpr int64_t kLine = 16;
    const float *at_, *end_;
    int64_t part_;
};

// A tile as in pair_simd.inl, with keys in the place of values and positions: over rows both stand
// in the key; over columns it holds the vector, and the lane is the rest of the position.
template <typename V>
void winners_simd(PackedMap<uint32_t> rows, const int32_t* starts, PackedMap<uint32_t> columns,
                  int64_t words, Keys keys, Ahead ahead, Winners out) {
    using Vector = typename V::Vector;
    constexpr int64_t kLanes = V::kLanes, kRows = V::kRows, kColumnWidth = 2 * kLanes;
    const int64_t row_tiles = (rows.locations + kRows - 1) / kRows;
    const int64_t column_tiles = (columns.locations + kColumnWidth - 1) / kColumnWidth;
    const Vector lowest = V::lowest();
    const typename V::Merge merge(keys);
    Bringer bring_row_map(ahead.rows, ahead.row_count, column_tiles * row_tiles);
    Bringer bring_column_map(ahead.columns, ahead.column_count, column_tiles * row_tiles);
    for (int64_t r = 0; r < row_tiles * kRows; ++r) {
        out.codes[r] = V::row_code(starts, r, keys);
        V::store(out.lanes + r * kLanes, lowest);
    }
    for (int64_t j = 0; j < column_tiles; ++j) {
        const uint32_t* column_panel = columns.data + j * kColumnWidth * words;
        const __m512i left_code = _mm512_set1_epi32(keys.code(2 * j));
        const __m512i right_code = _mm512_set1_epi32(keys.code(2 * j + 1));
        Vector left_best = lowest, right_best = lowest;
        for (int64_t i = 0; i < row_tiles; ++i) {
            bring_row_map();
            bring_column_map();
            Vector sums[kRows][2];
            multiply_tile<V>(rows.data + i * kRows * words, column_panel, words, sums);
#pragma GCC unroll 12
            for (int64_t r = 0; r < kRows; ++r) {
                int32_t* lane = out.lanes + (i * kRows + r) * kLanes;
                const __m512i row_code = _mm512_set1_epi32(out.codes[i * kRows + r]);
                const auto left = merge.prepared(sums[r][0]), right = merge.prepared(sums[r][1]);
                const Vector best = V::max(merge(left, left_code), merge(right, right_code));
                V::store(lane, V::max(V::load(lane), best));
                left_best = V::max(left_best, merge(left, row_code));
                right_best = V::max(right_best, merge(right, row_code));
            }
        }
        const __m512i top = _mm512_set1_epi32(keys.top());
        const __m512i last = _mm512_set1_epi32(static_cast<int32_t>(rows.locations - 1));
        int32_t* const winners = out.rows + j * kColumnWidth;
        const __m512i left = _mm512_andnot_si512(V::as_integers(left_best), top);
        const __m512i right = _mm512_andnot_si512(V::as_integers(right_best), top);
        _mm512_storeu_si512(winners, _mm512_min_epi32(left, last));
        _mm512_storeu_si512(winners + kLanes, _mm512_min_epi32(right, last));
    }
    for (int64_t s = 0; s < rows.locations; ++s) {
        const Vector values = V::load(out.lanes + s * kLanes);
        const Vector best = V::largest_everywhere(values);
        const uint32_t lanes = V::equal(values, best);
        const int32_t key = _mm_cvtsi128_si32(_mm512_castsi512_si128(V::as_integers(best)));
        const int32_t lane = V::last_wins(key) ? 31 - __builtin_clz(lanes) : __builtin_ctz(lanes);
        const int32_t column = (keys.top() & ~key) * static_cast<int32_t>(kLanes) + lane;
        // A copy of the last location is that location.
        out.columns[s] =
            column < columns.locations ? column : static_cast<int32_t>(columns.locations - 1);
    }
}

// The sum of the lanes, by halves: the order of core/narrow.h.
inline float sum_by_halves(__m512 v) {
    const __m256 half = _mm256_add_ps(_mm512_castps512_ps256(v), _mm512_extractf32x8_ps(v, 1));
    __m128 x = _mm_add_ps(_mm256_castps256_ps128(half), _mm256_extractf128_ps(half, 1));
    x = _mm_add_ps(x, _mm_movehl_ps(x, x));
    return _mm_cvtss_f32(_mm_add_ss(x, _mm_movehdup_ps(x)));
}

// Adds one location of one slice: its products with the winner, weighted.
inline void add_winner(const Winning& own, const float* map, const float* other, int64_t k,
                       __m512& sum) {
    const float* a = map + k * kSlice;
    const float* b = other + own.index[k] * kSlice;
    const __m512 half = _mm512_mul_ps(_mm512_loadu_ps(a), _mm512_loadu_ps(b));
    const __m512 product =
        _mm512_fmadd_ps(_mm512_loadu_ps(a + kSumChannels), _mm512_loadu_ps(b + kSumChannels), half);
    sum = _mm512_fmadd_ps(_mm512_set1_ps(own.weight[k]), product, sum);
}

// Locations [first, own.locations) of one slice.
inline void add_winners(const Winning& own, const float* map, const float* other, int64_t first,
                        __m512 (&sums)[kSumLocations]) {
    int64_t k = first;
    for (; k + kSumLocations <= own.locations; k += kSumLocations) {
#pragma GCC unroll 4
        for (int64_t lane = 0; lane < kSumLocations; ++lane) {
            add_winner(own, map, other, k + lane, sums[lane]);
        }
    }
    if (k < own.locations) add_winner(own, map, other, k, sums[0]);
    if (k + 1 < own.locations) add_winner(own, map, other, k + 1, sums[1]);
    if (k + 2 < own.locations) add_winner(own, map, other, k + 2, sums[2]);
}

inline float sum_of(const __m512 (&sums)[kSumLocations]) {
    return sum_by_halves(
        _mm512_add_ps(_mm512_add_ps(sums[0], sums[1]), _mm512_add_ps(sums[2], sums[3])));
}

inline float weighted_simd(const Winning& rows, const Winning& columns, int64_t slices) {
    __m512 row_sums[kSumLocations], column_sums[kSumLocations];
#pragma GCC unroll 4
    for (int64_t k = 0; k < kSumLocations; ++k) row_sums[k] = column_sums[k] = _mm512_setzero_ps();
    for (int64_t slice = 0; slice < slices; ++slice) {
        const float* row_slice = rows.map + slice * rows.locations * kSlice;
        const float* column_slice = columns.map + slice * columns.locations * kSlice;
        // Both sides in turn: a line that one has read is near when the other wants it.
        const int64_t both =
            (rows.locations < columns.locations ? rows.locations : columns.locations) /
            kSumLocations;
        for (int64_t k = 0; k < both * kSumLocations; k += kSumLocations) {
#pragma GCC unroll 4
            for (int64_t lane = 0; lane < kSumLocations; ++lane) {
                add_winner(rows, row_slice, column_slice, k + lane, row_sums[lane]);
                add_winner(columns, column_slice, row_slice, k + lane, column_sums[lane]);
            }
        }
        add_winners(rows, row_slice, column_slice, both * kSumLocations, row_sums);
        add_winners(columns, column_slice, row_slice, both * kSumLocations, column_sums);
    }
    return sum_of(row_sums) + sum_of(column_sums);
}

template <typename V>
constexpr NarrowIsa kNarrowTable = {
    V::kRows,         // row_width
    2 * V::kLanes,    // column_width
    V::kLanes,        // lanes
    winners_simd<V>,  // winners
    weighted_simd,    // weighted
};
