// Uint128: products of two 64-bit numbers that must not overflow.
#pragma once

namespace forebay {

__extension__ using Uint128 = unsigned __int128;

}  // namespace forebay
