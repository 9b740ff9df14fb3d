// The scalar variant of one pair: any input, no intrinsics, the rule of core/maximum.h to the
// letter. Included inside the namespace of an instruction set's file; kRows and kColumns are the
// panel widths of the packing that set uses.

template <typename T, int64_t kRows, int64_t kColumns>
void pair_any(PackedMap<T> rows, PackedMap<T> columns, int64_t channels, PairMaxima<T> out) {
    for (int64_t first = 0; first < columns.locations; first += kColumns) {
        const T* column_panel = columns.data + first * channels;
        const int64_t width =
            columns.locations - first < kColumns ? columns.locations - first : kColumns;
        for (int64_t s = 0; s < rows.locations; ++s) {
            const T* row = rows.data + (s / kRows) * kRows * channels + s % kRows;
            T sums[kColumns] = {};
            for (int64_t c = 0; c < channels; ++c) {
                const T value = row[c * kRows];
                for (int64_t k = 0; k < kColumns; ++k) {
                    sums[k] += value * column_panel[c * kColumns + k];
                }
            }
            for (int64_t k = 0; k < width; ++k) {
                const int64_t r = first + k;
                Maximum<T> best = {out.over_columns[s], out.column_index[s]};
                if (r == 0) best = Maximum<T>::first(sums[k], 0);
                best.update(sums[k], static_cast<int32_t>(r));
                out.over_columns[s] = best.value;
                out.column_index[s] = best.index;
                best = {out.over_rows[r], out.row_index[r]};
                if (s == 0) best = Maximum<T>::first(sums[k], 0);
                best.update(sums[k], static_cast<int32_t>(s));
                out.over_rows[r] = best.value;
                out.row_index[r] = best.index;
            }
        }
    }
}
