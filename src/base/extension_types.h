// Arrow's extension types in this process.
#pragma once

namespace hyprstream {

// From now on Arrow refuses parameters of extension types that are longer than 4 KiB. They come with any schema that a
// client or a backend sends; Arrow parses those that are JSON by recursion, as deep as they are nested, and puts what
// it does not like into its errors.
//
// To be called before other threads start; a second call does nothing.
void BoundExtensionTypes();

}  // namespace hyprstream
