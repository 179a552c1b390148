"""Keys of certificates, and what of an authority's answer is accepted."""

from __future__ import annotations

from datetime import timedelta

import pytest
from cryptography import x509

from controlplane.authority.certificates import create_ca, issue
from controlplane.certificates.keys import Life, create_key, life_of, request_of
from tests.integration.controlplane.conftest import START

NAME = "mx1.acme.example"


def test_request_is_for_one_name_and_signed_by_its_key() -> None:
    csr = x509.load_pem_x509_csr(request_of(create_key(), NAME))
    names = csr.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == [NAME]
    assert csr.is_signature_valid


def test_it_is_renewed_when_two_thirds_of_its_life_are_over() -> None:
    assert Life(START, START + timedelta(days=90)).renew_at == START + timedelta(days=60)


def test_certificate_of_another_name_or_key_is_not_accepted() -> None:
    leaf = issue(create_ca("acme", now=START), NAME, now=START)
    assert life_of(leaf.certificate, leaf.private_key, NAME).not_before < START
    with pytest.raises(ValueError, match="it is of mx1"):
        life_of(leaf.certificate, leaf.private_key, "mx2.acme.example")
    with pytest.raises(ValueError, match="another key"):
        life_of(leaf.certificate, create_key(), NAME)
