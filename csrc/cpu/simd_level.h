// Which instruction set the kernels use: the highest this machine and this build have, unless
// QACONV_SIMD_LEVEL or set_simd_level asks for a lower one (so that each can be tested).
#pragma once

#include <string>
#include <type_traits>
#include <vector>

#include "cpu/isa.h"

namespace qaconv::cpu {

struct SimdLevel {
    const char* name;
    bool (*is_here)();  // whether this machine has it
    const IsaTables* tables;
};

// Lowest first.
const std::vector<SimdLevel>& compiled_simd_levels();        // of this build
const std::vector<SimdLevel>& simd_levels();                 // those of them that this machine has
std::string names_of(const std::vector<SimdLevel>& levels);  // separated by spaces

int simd_level();                // in use: a position in simd_levels()
bool set_simd_level(int level);  // false, and no change, where there is no such position

// The table of the level in use.
template <typename T>
const Isa<T>& current_isa() {
    const IsaTables& tables = *simd_levels()[static_cast<size_t>(simd_level())].tables;
    if constexpr (std::is_same_v<T, double>) {
        return tables.of_double;
    } else {
        return tables.of_float;
    }
}

}  // namespace qaconv::cpu
