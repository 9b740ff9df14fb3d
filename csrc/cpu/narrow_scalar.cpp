// Winners by narrow products in plain loops: what the vector variants are held to (core/narrow.h).
#include <cmath>
#include <cstring>

#include "cpu/narrow_isa.h"

namespace qaconv::cpu {
namespace {

constexpr int64_t kRowWidth = 4;
constexpr int64_t kColumnWidth = 16;

float float_of(uint32_t bits) {
    float value;
    std::memcpy(&value, &bits, sizeof value);
    return value;
}

uint32_t bits_of(float value) {
    uint32_t bits;
    std::memcpy(&bits, &value, sizeof bits);
    return bits;
}

struct BFloat16Pairs {
    using Sum = float;
    static Sum add(Sum sum, uint32_t row, uint32_t column) {
        // A product of two such numbers is exact in float.
        sum += float_of(row & 0xffff0000u) * float_of(column & 0xffff0000u);
        sum += float_of(row << 16) * float_of(column << 16);
        return sum;
    }
    static Sum key(Sum sum, Keys keys, int64_t position) {
        return float_of((bits_of(sum) & ~static_cast<uint32_t>(keys.top())) |
                        static_cast<uint32_t>(keys.code(position)));
    }
    static uint32_t bits(Sum key) { return bits_of(key); }
};

struct Bytes {
    using Sum = int32_t;
    static Sum add(Sum sum, uint32_t row, uint32_t column) {
        for (int shift = 0; shift < 32; shift += 8) {
            const int32_t factor = static_cast<int8_t>(row >> shift & 0xffu);
            sum += factor * static_cast<int32_t>(column >> shift & 0xffu);
        }
        return sum;
    }
    static Sum key(Sum sum, Keys keys, int64_t position) {
        return sum * (keys.top() + 1) + keys.code(position);
    }
    static uint32_t bits(Sum key) { return static_cast<uint32_t>(key); }
};

template <typename V>
int32_t position(typename V::Sum key, Keys keys, int64_t locations) {
    const int64_t found = ~V::bits(key) & static_cast<uint32_t>(keys.top());
    return static_cast<int32_t>(found < locations ? found : locations - 1);
}

template <typename V>
void winners(PackedMap<uint32_t> rows, const int32_t* starts, PackedMap<uint32_t> columns,
             int64_t words, Keys keys, Ahead, Winners out) {
    using Sum = typename V::Sum;
    Sum* const best_rows = reinterpret_cast<Sum*>(out.rows);  // keys until the end
    for (int64_t s = 0; s < rows.locations; ++s) {
        const uint32_t* row = rows.data + s / kRowWidth * kRowWidth * words + s % kRowWidth;
        Sum best_column = 0;
        for (int64_t r = 0; r < columns.locations; ++r) {
            const uint32_t* column =
                columns.data + r / kColumnWidth * kColumnWidth * words + r % kColumnWidth;
            Sum sum = starts == nullptr ? Sum(0) : static_cast<Sum>(starts[s]);
            for (int64_t w = 0; w < words; ++w) {
                sum = V::add(sum, row[w * kRowWidth], column[w * kColumnWidth]);
            }
            const Sum over_columns = V::key(sum, keys, r), over_rows = V::key(sum, keys, s);
            if (r == 0 || over_columns > best_column) best_column = over_columns;
            if (s == 0 || over_rows > best_rows[r]) best_rows[r] = over_rows;
        }
        out.columns[s] = position<V>(best_column, keys, columns.locations);
    }
    for (int64_t r = 0; r < columns.locations; ++r) {
        out.rows[r] = position<V>(best_rows[r], keys, rows.locations);
    }
}

float weighted_side(const Winning& own, const Winning& other, int64_t slices) {
    float sums[kSumLocations][kSumChannels] = {};
    for (int64_t slice = 0; slice < slices; ++slice) {
        for (int64_t k = 0; k < own.locations; ++k) {
            const float* a = own.map + (slice * own.locations + k) * kSlice;
            const float* b = other.map + (slice * other.locations + own.index[k]) * kSlice;
            for (int64_t c = 0; c < kSumChannels; ++c) {
                const int64_t next = c + kSumChannels;
                const float product = std::fma(a[next], b[next], a[c] * b[c]);
                float& sum = sums[k % kSumLocations][c];
                sum = std::fma(own.weight[k], product, sum);
            }
        }
    }
    float total[kSumChannels];
    for (int64_t c = 0; c < kSumChannels; ++c) {
        total[c] = (sums[0][c] + sums[1][c]) + (sums[2][c] + sums[3][c]);
    }
    for (int64_t half = kSumChannels / 2; half > 0; half /= 2) {
        for (int64_t c = 0; c < half; ++c) total[c] += total[c + half];
    }
    return total[0];
}

float weighted(const Winning& rows, const Winning& columns, int64_t slices) {
    return weighted_side(rows, columns, slices) + weighted_side(columns, rows, slices);
}

}  // namespace

constexpr NarrowIsa kScalarBFloat16 = {kRowWidth, kColumnWidth, 1, winners<BFloat16Pairs>,
                                       weighted};
constexpr NarrowIsa kScalarInt8 = {kRowWidth, kColumnWidth, 1, winners<Bytes>, weighted};

}  // namespace qaconv::cpu
