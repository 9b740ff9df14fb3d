// The baseline instruction set: plain loops, on every machine.
#include "core/maximum.h"
#include "cpu/isa.h"

namespace qaconv::cpu {
namespace {

#include "cpu/pair_any.inl"

template <typename T>
void add_scaled(T* target, const T* source, T factor, int64_t count) {
    for (int64_t k = 0; k < count; ++k) target[k] += factor * source[k];
}

constexpr int64_t kRowWidth = 4;
constexpr int64_t kColumnWidth = 16;

template <typename T>
double fma_operations(int64_t iterations, T factor, T* sum) {
    T sums[kColumnWidth];
    for (int64_t k = 0; k < kColumnWidth; ++k) sums[k] = static_cast<T>(k);
    for (int64_t i = 0; i < iterations; ++i) {
        for (int64_t k = 0; k < kColumnWidth; ++k) sums[k] = sums[k] * factor + factor;
    }
    *sum = 0;
    for (int64_t k = 0; k < kColumnWidth; ++k) *sum += sums[k];
    return 2.0 * static_cast<double>(kColumnWidth * iterations);
}

template <typename T>
constexpr Isa<T> kTable = {
    kRowWidth,                             // row_width
    kColumnWidth,                          // column_width
    1,                                     // lanes
    pair_any<T, kRowWidth, kColumnWidth>,  // pair
    pair_any<T, kRowWidth, kColumnWidth>,  // pair_with_index
    pair_any<T, kRowWidth, kColumnWidth>,  // pair_any
    add_scaled<T>,                         // add_scaled
    fma_operations<T>,                     // fma_operations
};

}  // namespace

constexpr IsaTables kScalarIsa = {kTable<float>, kTable<double>};

}  // namespace qaconv::cpu
