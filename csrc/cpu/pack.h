// Copies of maps in the layouts the kernels read, widened to the type of the sums.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <memory>

#include "core/types.h"

namespace qaconv::cpu {

// Cache-line-aligned memory that is null, not an exception, where there is none: the caller may be
// on a thread of a pool that exceptions must not cross.
template <typename T>
class Buffer {
  public:
    explicit Buffer(int64_t count)
        : data_(static_cast<T*>(std::aligned_alloc(
                    64, (static_cast<size_t>(count) * sizeof(T) + 63) / 64 * 64 + 64)),
                std::free) {}
    explicit operator bool() const { return data_ != nullptr; }
    T* get() const { return data_.get(); }

  private:
    std::unique_ptr<T, void (*)(void*)> data_;
};

inline int64_t round_up(int64_t value, int64_t multiple) {
    return (value + multiple - 1) / multiple * multiple;
}

// Packs one map into panels of `width` locations (PackedMap in isa.h), repeating the last location.
// Returns the largest magnitude, infinity where any element is infinite or NaN.
template <typename T>
double pack_panels(const Maps& maps, int64_t map, int64_t width, T* out);

// Packs one map as [slices][locations][width], channels past the last zero: `width` channels a
// slice.
template <typename T>
void pack_slices(const Maps& maps, int64_t map, int64_t width, T* out);

// Packs one map as [locations][stride], channels past the last zero.
template <typename T>
void pack_locations(const Maps& maps, int64_t map, int64_t stride, T* out);

}  // namespace qaconv::cpu
