"""The transport that can look like a browser: curl_cffi's handles."""
