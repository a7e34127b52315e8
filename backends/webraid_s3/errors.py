"""What botocore raises -> our errors: the one table of this plug-in (what servers answer: codes.py).

No text of botocore goes into a message: it may hold URLs and keys.
"""

from __future__ import annotations

import http.client

from webraid.backend.mapping import Factory, LazyTable, always
from webraid.errors import AuthExpired, BackendError, Misconfigured, ProtocolError, Unavailable
from webraid_s3.codes import KEYS_HINT, PLACE_HINT, from_client_error


def _from_ssl(error: BaseException) -> BackendError:
    if "CERTIFICATE_VERIFY_FAILED" in str(error):
        return Misconfigured(
            "the server's certificate cannot be verified",
            provider_code="CERTIFICATE_VERIFY_FAILED",
            hint="Check the endpoint and the clock; set AWS_CA_BUNDLE for a certificate authority of your own.",
        )
    return Unavailable("the secure connection failed", provider_code="SSLError")


# Classes of botocore.exceptions by name.  A test holds that each has a group.
_UNREACHABLE = """
    ConnectionError ConnectTimeoutError EndpointConnectionError ProxyConnectionError
"""
_BROKEN = """
    HTTPClientError ConnectionClosedError ReadTimeoutError ResponseStreamingError IncompleteReadError
    CapacityNotAvailableError
"""
_LOGIN = """
    NoCredentialsError NoAuthTokenError TokenRetrievalError UnknownTokenProviderError PartialCredentialsError
    CredentialRetrievalError SSOError LoginError UnknownCredentialError RefreshWithMFAUnsupportedError
    MetadataRetrievalError
"""
_OPTIONS = """
    UnknownRegionError UnknownServiceError InvalidIMDSEndpointError InvalidIMDSEndpointModeError
    ServiceNotInRegionError BaseEndpointResolverError ProfileNotFound ConfigParseError ConfigNotFound
    InvalidRegionError InvalidDNSNameError InvalidS3AddressingStyleError UnsupportedS3ArnError
    UnsupportedS3ControlArnError InvalidHostLabelError UnsupportedOutpostResourceError
    UnsupportedS3ConfigurationError UnsupportedS3AccesspointConfigurationError
    InvalidEndpointDiscoveryConfigurationError UnsupportedS3ControlConfigurationError
    InvalidRetryConfigurationError InvalidS3UsEast1RegionalEndpointConfigError
    InvalidSTSRegionalEndpointsConfigError InvalidConfigError InvalidProxiesConfigError InvalidDefaultsMode
    InvalidEndpointConfigurationError EndpointProviderError InvalidChecksumConfigError
    MissingDependencyException MD5UnavailableError UnknownSignatureVersionError UnsupportedSignatureVersionError
"""
_BUGS = """
    DataNotFoundError ApiVersionNotFoundError MissingParametersError ValidationError ParamValidationError
    PaginationError UnknownServiceStyle OperationNotPageableError UnseekableStreamError WaiterError
    WaiterConfigError InvalidExpressionError UnknownClientMethodError StubResponseError
    UndefinedModelAttributeError AwsChunkedWrapperError UnsupportedServiceProtocolsError
    AliasConflictParameterError
"""


def _make_table() -> dict[type[BaseException], Factory]:
    import botocore.exceptions as them  # noqa: PLC0415
    import urllib3.exceptions  # noqa: PLC0415
    from botocore.parsers import ResponseParserError  # noqa: PLC0415

    groups = (
        (_UNREACHABLE, always(Unavailable, "the server cannot be reached")),
        (_BROKEN, always(Unavailable, "the connection broke off")),
        ("SSLError", _from_ssl),
        ("ChecksumError FlexibleChecksumError", always(Unavailable, "the bytes were damaged on the way")),
        (_LOGIN, always(AuthExpired, "there are no usable keys", KEYS_HINT)),
        (_OPTIONS, always(Misconfigured, "the options do not fit together", PLACE_HINT)),
        (_BUGS, always(ProtocolError, "unexpected use of the library")),
        ("BotoCoreError", always(ProtocolError, "unexpected error of the library")),
    )
    # A release of botocore may lack a class; tests hold that every class of the pinned one is in a group.
    table: dict[type[BaseException], Factory] = {
        getattr(them, name): make for names, make in groups for name in names.split() if hasattr(them, name)
    }
    table[them.ClientError] = from_client_error
    table[ResponseParserError] = always(ProtocolError, "the answer is not S3's", PLACE_HINT)
    table[urllib3.exceptions.HTTPError] = always(Unavailable, "the connection broke off")
    table[http.client.HTTPException] = always(Unavailable, "the connection broke off")
    table[OSError] = always(Unavailable, "the connection broke off")
    table[ValueError] = always(ProtocolError, "the answer is not S3's", PLACE_HINT)
    return table


ERRORS = LazyTable(_make_table)
