#include "server/tls_files.h"

#include <arrow/result.h>
#include <arrow/status.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include <memory>

#include "server/data_folder.h"

namespace hyprstream::server {
namespace {

template <auto free>
struct Free {
  template <class T>
  void operator()(T* object) const {
    free(object);
  }
};
using Bio = std::unique_ptr<BIO, Free<BIO_free_all>>;
using Certificate = std::unique_ptr<X509, Free<X509_free>>;
using Key = std::unique_ptr<EVP_PKEY, Free<EVP_PKEY_free>>;
using Context = std::unique_ptr<SSL_CTX, Free<SSL_CTX_free>>;

Bio Reader(const std::string& pem) { return Bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size()))); }

// OpenSSL's own asks on the terminal.
int NoPassword(char*, int, int, void*) { return 0; }

std::string Reason() {
  const char* reason = ERR_reason_error_string(ERR_peek_last_error());
  return reason == nullptr ? "unknown error" : reason;
}

arrow::Status Check(const TlsFiles& files, const std::string& tls_cert, const std::string& tls_key) {
  ERR_clear_error();
  const Certificate certificate(PEM_read_bio_X509_AUX(Reader(files.cert_pem).get(), nullptr, NoPassword, nullptr));
  if (certificate == nullptr) {
    return arrow::Status::Invalid("The file ", tls_cert, " of tls_cert holds no certificate (", Reason(), ")");
  }
  const Key key(PEM_read_bio_PrivateKey(Reader(files.key_pem).get(), nullptr, NoPassword, nullptr));
  if (key == nullptr) {
    return arrow::Status::Invalid("The file ", tls_key, " of tls_key holds no private key that needs no password (",
                                  Reason(), ")");
  }
  if (X509_check_private_key(certificate.get(), key.get()) != 1) {
    return arrow::Status::Invalid("The key in ", tls_key, " of tls_key is not that of the first certificate in ",
                                  tls_cert, " of tls_cert (", Reason(), ")");
  }
  const Context context(SSL_CTX_new(TLS_server_method()));
  if (context == nullptr || SSL_CTX_use_certificate(context.get(), certificate.get()) != 1) {
    return arrow::Status::Invalid("The certificate in ", tls_cert, " of tls_cert cannot be used (", Reason(), ")");
  }
  return arrow::Status::OK();
}

}  // namespace

arrow::Result<TlsFiles> ReadTlsFiles(const std::string& tls_cert, const std::string& tls_key) {
  TlsFiles files;
  ARROW_ASSIGN_OR_RAISE(files.cert_pem, ReadPem(tls_cert, "tls_cert"));
  ARROW_ASSIGN_OR_RAISE(files.key_pem, ReadPem(tls_key, "tls_key"));
  const arrow::Status status = Check(files, tls_cert, tls_key);
  ERR_clear_error();  // gRPC asks the same queue
  ARROW_RETURN_NOT_OK(status);
  return files;
}

}  // namespace hyprstream::server
