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
constexpr Isa<T> kTable = {
    kRowWidth,
    kColumnWidth,
    1,
    pair_any<T, kRowWidth, kColumnWidth>,
    pair_any<T, kRowWidth, kColumnWidth>,
    pair_any<T, kRowWidth, kColumnWidth>,
    add_scaled<T>,
};

}  // namespace

template <>
const Isa<float>& scalar_isa<float>() {
    return kTable<float>;
}
template <>
const Isa<double>& scalar_isa<double>() {
    return kTable<double>;
}

}  // namespace qaconv::cpu
