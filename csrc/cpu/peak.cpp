#include "cpu/kernels.h"
#include "cpu/simd_level.h"

namespace qaconv::cpu {

double fma_operations(int64_t iterations) {
    float sum;
    return current_isa<float>().fma_operations(iterations, 0.5f, &sum);
}

}  // namespace qaconv::cpu
