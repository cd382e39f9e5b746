// The server's certificate and its key, tried before anything listens: gRPC takes whatever files it is given and then
// turns every client away.
#pragma once

#include <string>

namespace arrow {
template <class T>
class Result;
}

namespace hyprstream::server {

struct TlsFiles {
  std::string cert_pem;  // the server's own certificate, then the chain
  std::string key_pem;
};

// IOError, naming the file, when one cannot be read; Invalid when one is not what its setting says, or when they do not
// belong together.
arrow::Result<TlsFiles> ReadTlsFiles(const std::string& tls_cert, const std::string& tls_key);

}  // namespace hyprstream::server
