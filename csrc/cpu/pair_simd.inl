// The algorithm of one pair in vectors, one variant for every instruction set. Included inside the
// region of a file that raises the instruction set, after a policy type V with what tile_simd.inl
// wants and
//   Mask; store, store_index, fma, max, greater, select, largest (over the lanes), iota
//
// A tile is kRows rows (probe locations) by two vectors of columns (gallery locations). Its sums
// stay in registers for all channels; then both maxima are taken from the registers:
//   - over rows: the column maxima of the panel are two registers, kept along all row tiles;
//   - over columns: one vector per row, kept in `lanes` (first-level cache) along all column
//     panels, reduced over its lanes once at the pair's end.
// So nothing of the correlation is ever stored. Positions are numbers of the element type
// (exact: locations are few), which lets one mask select value and position.
//
// Wants finite sums: then -infinity is below all of them and vector max needs no care for NaN.
// Zeros of both signs tie (products may underflow), and vector max gives either of them: both
// directions store zero without a sign, so that a pair and its mirror have the same bits.

#include "cpu/tile_simd.inl"

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
    constexpr int64_t kLanes = V::kLanes, kRows = V::kRows;
    constexpr int64_t kColumnWidth = 2 * kLanes;
    const int64_t row_tiles = (rows.locations + kRows - 1) / kRows;
    const int64_t column_tiles = (columns.locations + kColumnWidth - 1) / kColumnWidth;
    const Vector lowest = V::broadcast(-__builtin_inf());
    // lanes[row]: the best value of each lane, then its position.
    for (int64_t r = 0; r < row_tiles * kRows; ++r) {
        V::store(out.lanes + r * 2 * kLanes, lowest);
    }
    for (int64_t j = 0; j < column_tiles; ++j) {
        const T* column_panel = columns.data + j * kColumnWidth * channels;
        const Vector left_position = V::iota(j * kColumnWidth);
        const Vector right_position = V::iota(j * kColumnWidth + kLanes);
        Vector left_best = lowest, right_best = lowest;
        Vector left_index = V::broadcast(0), right_index = V::broadcast(0);
        for (int64_t i = 0; i < row_tiles; ++i) {
            Vector sums[kRows][2];
            multiply_tile<V>(rows.data + i * kRows * channels, column_panel, channels, sums);
#pragma GCC unroll 12
            for (int64_t r = 0; r < kRows; ++r) {
                T* lane = out.lanes + (i * kRows + r) * 2 * kLanes;
                Vector best = V::load(lane);
                if constexpr (kWithIndex) {
                    const Vector row = V::broadcast(static_cast<T>(i * kRows + r));
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
    for (int64_t s = 0; s < rows.locations; ++s) {
        const T* lane = out.lanes + s * 2 * kLanes;
        const Vector values = V::load(lane);
        const T best = V::largest(values);
        out.over_columns[s] = best + T(0);
        if constexpr (kWithIndex) {
            // Each lane holds its first position of its maximum; the lowest of those that tie wins.
            const Vector minus_index =
                V::fma(V::load(lane + kLanes), V::broadcast(-1), V::broadcast(0));
            const T index =
                -V::largest(V::select(V::greater(V::broadcast(best), values), lowest, minus_index));
            out.column_index[s] = static_cast<int32_t>(index);
        }
    }
}
