// Every pair of two sets of maps: which variant computes it, and the copies that variant needs.
#pragma once

#include <cuda_runtime.h>

#include "core/types.h"

namespace qaconv::cuda {

// Device memory that for_each_pair needs, whatever variant of those now allowed it takes; `self`:
// both sets are the same.
int64_t forward_workspace(const Maps& probe, const Maps& gallery, bool self);

// Hands the maxima of every pair to the epilogue (epilogues.cuh); of a self match only those with p
// <= g.
template <typename Epilogue>
Status for_each_pair(const Maps& probe, const Maps& gallery, bool self, const Epilogue& epilogue,
                     void* workspace, cudaStream_t stream);

}  // namespace qaconv::cuda
