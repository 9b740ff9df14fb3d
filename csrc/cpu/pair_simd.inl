// The algorithm of one pair in vectors, one text for every instruction set. Included inside the
// region of a file that raises the instruction set, after a policy type V with
//   Element, kLanes, Vector, Mask; load, store, broadcast, fma, max, greater, select, iota.
//
// A tile is kRowWidth rows (probe places) by two vectors of columns (gallery places). Its sums
// stay in registers for all channels; then both maxima are taken from the registers:
//   - over rows: the column maxima of the panel are two registers, kept along all row tiles;
//   - over columns: one vector per row, kept in `lanes` (first-level cache) along all column
//     panels, reduced over its lanes once at the pair's end.
// So nothing of the correlation is ever stored. Positions are numbers of the element type
// (exact: places are few), which lets one mask select value and position.
//
// Wants finite sums: then -infinity is below all of them and vector max needs no care for NaN.
// Zeros of both signs tie (products may underflow), and vector max gives either of them: both
// directions store zero without a sign, so that a pair and its mirror have the same bits.

constexpr int64_t kRowWidth = 6;

template <typename V>
using ElementOf = typename V::Element;

template <typename V>
inline void multiply_tile(const ElementOf<V>* rows, const ElementOf<V>* columns, int64_t channels,
                          typename V::Vector (&sums)[kRowWidth][2]) {
    for (int64_t r = 0; r < kRowWidth; ++r) sums[r][0] = sums[r][1] = V::broadcast(0);
#pragma GCC unroll 4
    for (int64_t c = 0; c < channels; ++c) {
        const typename V::Vector left = V::load(columns + c * 2 * V::kLanes);
        const typename V::Vector right = V::load(columns + c * 2 * V::kLanes + V::kLanes);
#pragma GCC unroll 6
        for (int64_t r = 0; r < kRowWidth; ++r) {
            const typename V::Vector value = V::broadcast(rows[c * kRowWidth + r]);
            sums[r][0] = V::fma(value, left, sums[r][0]);
            sums[r][1] = V::fma(value, right, sums[r][1]);
        }
    }
}

// -0 becomes +0; every other number stays.
template <typename V>
inline typename V::Vector unsigned_zero(typename V::Vector value) {
    return V::fma(value, V::broadcast(1), V::broadcast(0));
}

template <typename V, bool kWithIndex>
void pair_simd(PackedMap<ElementOf<V>> rows, PackedMap<ElementOf<V>> columns, int64_t channels,
               PairMaxima<ElementOf<V>> out) {
    using T = ElementOf<V>;
    using Vector = typename V::Vector;
    constexpr int64_t kLanes = V::kLanes;
    constexpr int64_t kColumnWidth = 2 * kLanes;
    const int64_t row_tiles = (rows.places + kRowWidth - 1) / kRowWidth;
    const int64_t column_tiles = (columns.places + kColumnWidth - 1) / kColumnWidth;
    const Vector lowest = V::broadcast(-__builtin_inf());
    // lanes[row]: the best value of each lane, then its position.
    for (int64_t r = 0; r < row_tiles * kRowWidth; ++r) {
        V::store(out.lanes + r * 2 * kLanes, lowest);
    }
    for (int64_t j = 0; j < column_tiles; ++j) {
        const T* column_panel = columns.data + j * kColumnWidth * channels;
        const Vector left_position = V::iota(j * kColumnWidth);
        const Vector right_position = V::iota(j * kColumnWidth + kLanes);
        Vector left_best = lowest, right_best = lowest;
        Vector left_index = V::broadcast(0), right_index = V::broadcast(0);
        for (int64_t i = 0; i < row_tiles; ++i) {
            Vector sums[kRowWidth][2];
            multiply_tile<V>(rows.data + i * kRowWidth * channels, column_panel, channels, sums);
#pragma GCC unroll 6
            for (int64_t r = 0; r < kRowWidth; ++r) {
                T* lane = out.lanes + (i * kRowWidth + r) * 2 * kLanes;
                Vector best = V::load(lane);
                if constexpr (kWithIndex) {
                    const Vector row = V::broadcast(static_cast<T>(i * kRowWidth + r));
                    left_index = V::select(V::greater(sums[r][0], left_best), row, left_index);
                    right_index = V::select(V::greater(sums[r][1], right_best), row, right_index);
                    Vector index = V::load(lane + kLanes);
                    index = V::select(V::greater(sums[r][0], best), left_position, index);
                    best = V::max(best, sums[r][0]);
                    index = V::select(V::greater(sums[r][1], best), right_position, index);
                    V::store(lane + kLanes, index);
                } else {
                    best = V::max(best, sums[r][0]);
                }
                V::store(lane, V::max(best, sums[r][1]));
                left_best = V::max(left_best, sums[r][0]);
                right_best = V::max(right_best, sums[r][1]);
            }
        }
        V::store(out.over_rows + j * kColumnWidth, unsigned_zero<V>(left_best));
        V::store(out.over_rows + j * kColumnWidth + kLanes, unsigned_zero<V>(right_best));
        if constexpr (kWithIndex) {
            V::store_index(out.row_index + j * kColumnWidth, left_index);
            V::store_index(out.row_index + j * kColumnWidth + kLanes, right_index);
        }
    }
    for (int64_t s = 0; s < rows.places; ++s) {
        const T* lane = out.lanes + s * 2 * kLanes;
        T best = lane[0];
        for (int64_t k = 1; k < kLanes; ++k) best = lane[k] > best ? lane[k] : best;
        out.over_columns[s] = best + T(0);
        if constexpr (kWithIndex) {
            // Each lane holds its first position of its maximum; the lowest of those that tie wins.
            T index = static_cast<T>(columns.places);
            for (int64_t k = 0; k < kLanes; ++k) {
                if (lane[k] == best && lane[kLanes + k] < index) index = lane[kLanes + k];
            }
            out.column_index[s] = static_cast<int32_t>(index);
        }
    }
}

template <typename V>
void add_scaled_simd(ElementOf<V>* target, const ElementOf<V>* source, ElementOf<V> factor,
                     int64_t count) {
    const typename V::Vector scale = V::broadcast(factor);
    for (int64_t k = 0; k < count; k += V::kLanes) {
        V::store(target + k, V::fma(scale, V::load(source + k), V::load(target + k)));
    }
}

template <typename V>
constexpr Isa<ElementOf<V>> kTable = {
    kRowWidth,                                         // row_width
    2 * V::kLanes,                                     // column_width
    V::kLanes,                                         // lanes
    pair_simd<V, false>,                               // pair
    pair_simd<V, true>,                                // pair_with_index
    pair_any<ElementOf<V>, kRowWidth, 2 * V::kLanes>,  // pair_any
    add_scaled_simd<V>,                                // add_scaled
};
