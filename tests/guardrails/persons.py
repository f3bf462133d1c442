"""People made up for tests, from many countries, and the texts of programs and of people that tell of them."""

from __future__ import annotations

import csv
import io
import json
import random
from collections.abc import Callable
from dataclasses import dataclass
from html import escape
from urllib.parse import urlencode

from stdnum import iban, luhn

Random = random.Random


@dataclass(frozen=True)
class Person:
    country: str
    name: str
    email: str
    phone: str
    address: str
    birth: str
    card: str
    iban: str
    ip: str
    ssn: str


_NAMES = {
    "US": ["Dwight Peterson", "Latoya Okafor-Briggs", "Mary Ann O'Hara", "Kevin McAllister Jr."],
    "GB": ["Imogen Fairclough", "Alistair ffoulkes Wright", "Nigel Thistlethwaite"],
    "DE": ["Jörg Müller-Lüdenscheidt", "Annegret von der Heide", "Dr. Heike Öztürk"],
    "FR": ["Clémence de La Tour", "Jean-François Lefèvre", "Zoé Nguyên"],
    "ES": ["María del Carmen Núñez", "Íñigo Echeverría Goñi", "José Luis Ortega"],
    "IT": ["Ludovica Dell'Acqua", "Niccolò Bianchi", "Sig.ra Fiorella Esposito"],
    "NL": ["Sjoerd van 't Hof", "Anneke de Groot-Visser", "Femke Jansen"],
    "PL": ["Łucja Wiśniewska", "Stanisław Żółtowski", "Krzysztof Brzęczyszczykiewicz"],
    "BR": ["João Pedro da Silva Neto", "Thaís Gonçalves", "Luiz Antônio Ferreira"],
    "IN": ["Venkataraman Subramanian", "Priyanka Deshmukh", "Gurpreet Singh Dhillon"],
    "SE": ["Åsa Björklund", "Göran Sjögren", "Elsa Lindström"],
    "CZ": ["Zdeněk Dvořák", "Božena Němcová", "Jiří Procházka"],
    "TR": ["Çağla Yıldırım", "İbrahim Şahin", "Ömer Faruk Demir"],
    "RU": ["Иван Петров", "Мария Кузнецова", "Дмитрий Соколов"],
    "JP": ["山田 太郎", "佐藤 花子", "鈴木一郎"],
    "KR": ["김민수", "이서연", "박지훈"],
    "GR": ["Γιώργος Παπαδόπουλος", "Ελένη Νικολάου"],
    "NG": ["Chukwuemeka Adeyemi", "Ngozi Okonkwo"],
}
_PHONES = {
    "US": ["(415) 555-2671", "+1 415-555-2671", "415.555.2671", "001-415-555-2671x332"],
    "GB": ["+44 20 7946 0958", "07700 900123", "(0161) 496 0999"],
    "DE": ["+49 30 901820", "0171 2345678", "(030) 90182-0", "+49(0)89 636480"],
    "FR": ["+33 1 42 68 53 00", "06 12 34 56 78", "01.42.68.53.00"],
    "ES": ["+34 912 345 678", "612 345 678"],
    "IT": ["+39 06 6982", "+39 347 123 4567", "0669812345"],
    "NL": ["+31 6 12345678", "020-6238888", "(020) 623 88 88"],
    "PL": ["+48 512 345 678", "22 621 03 70"],
    "BR": ["+55 11 91234-5678", "(21) 2345-6789"],
    "IN": ["+91 98765 43210", "09876543210", "+919876543210"],
    "SE": ["+46 8 123 456 78", "070-123 45 67"],
    "CZ": ["+420 601 123 456", "601 123 456"],
    "TR": ["+90 532 123 45 67", "0532 123 45 67"],
    "RU": ["+7 495 123-45-67", "8 (495) 123-45-67"],
    "JP": ["+81 3-1234-5678", "090-1234-5678"],
    "KR": ["+82 2-312-3456", "010-1234-5678"],
    "GR": ["+30 21 0123 4567", "210 123 4567"],
    "NG": ["+234 803 123 4567", "0803 123 4567"],
}
_ADDRESSES = {
    "US": ["1428 Elm Street, Apt 4B, Springfield, IL 62704", "PO Box 1187, Austin, TX 78767"],
    "GB": ["221B Baker Street, London NW1 6XE", "Flat 3, 17 Rosemary Close, Leeds LS7 2AB"],
    "DE": ["Lindenstraße 12a, 10969 Berlin", "Am Alten Markt 5, 50667 Köln"],
    "FR": ["12 bis, rue de la République, 69002 Lyon", "48 avenue Foch, 75116 Paris"],
    "ES": ["Calle de Alcalá 45, 3º B, 28014 Madrid", "Avda. Diagonal 211, 08018 Barcelona"],
    "IT": ["Via Giuseppe Garibaldi, 22, 20121 Milano (MI)", "Piazza San Marco 1, 30124 Venezia"],
    "NL": ["Prinsengracht 263, 1016 GV Amsterdam", "Kerkstraat 5, 3511 KB Utrecht"],
    "PL": ["ul. Marszałkowska 84/92, 00-514 Warszawa", "al. Niepodległości 7, 61-874 Poznań"],
    "BR": ["Rua Augusta, 1500, Consolação, 01304-001 São Paulo / SP"],
    "IN": ["42/7, Mahatma Gandhi Road, Bengaluru 560001", "H.No. 31, Sector 15, Chandigarh 160015"],
    "SE": ["Drottninggatan 71, 111 36 Stockholm"],
    "CZ": ["Vodičkova 30, 110 00 Praha 1"],
    "TR": ["Atatürk Caddesi No: 45, 06420 Ankara"],
    "RU": ["ул. Тверская, д. 12, кв. 34, Москва 125009"],
    "JP": ["東京都千代田区丸の内1丁目9番1号"],
    "KR": ["서울특별시 강남구 테헤란로 152"],
    "GR": ["Οδός Ερμού 25, 105 63 Αθήνα"],
    "NG": ["14 Adeola Odeku Street, Victoria Island, Lagos 101241"],
}
_IBANS = ["DE89370400440532013000", "FR1420041010050500013M02606", "GB29NWBK60161331926819", "NL91ABNA0417164300"]
_BIRTHS = ["1984-03-17", "17/03/1984", "17.03.1984", "March 17, 1984", "17 mars 1984", "1984/03/17", "17 Mar 1984"]


def person(rng: Random) -> Person:
    country = rng.choice(sorted(_NAMES))
    name = rng.choice(_NAMES[country])
    handle = f"{rng.choice('abcdefghij')}.{rng.choice(['lee', 'novak', 'ito', 'smith'])}{rng.randrange(1000)}"
    domain = rng.choice(["mail.example.org", "corp.co.uk", "post.de", "empresa.com.br", "sub.uni-wien.ac.at"])
    return Person(
        country=country, name=name, email=f"{handle}@{domain}", phone=rng.choice(_PHONES[country]),
        address=rng.choice(_ADDRESSES[country]), birth=rng.choice(_BIRTHS), card=card(rng), iban=account(rng),
        ip=f"{rng.choice([23, 81, 144, 203])}.{rng.randrange(31, 255)}.{rng.randrange(255)}.{rng.randrange(1, 255)}",
        ssn=f"{rng.randrange(100, 665)}-{rng.randrange(10, 99)}-{rng.randrange(1000, 9999)}",
    )  # fmt: skip


def card(rng: Random) -> str:
    head, length = rng.choice([("4", 16), ("51", 16), ("2221", 16), ("37", 15), ("6011", 16), ("3530", 16)])
    body = head + "".join(str(rng.randrange(10)) for _ in range(length - len(head) - 1))
    number = body + luhn.calc_check_digit(body)
    if rng.random() < 0.3 and length == 16:
        return rng.choice([" ", "-"]).join(number[place : place + 4] for place in range(0, 16, 4))
    return str(number)


def account(rng: Random) -> str:
    known = rng.choice(_IBANS)
    digits = [each if not each.isdigit() else str(rng.randrange(10)) for each in known[4:]]
    body = "".join(digits)
    number = known[:2] + str(iban.calc_check_digits(f"{known[:2]}00{body}")) + body
    return iban.format(number) if rng.random() < 0.3 else number


KEYED: dict[str, Callable[[Person], str]] = {
    "json": lambda p: json.dumps({"order": 17, "customer": {"name": p.name, "email": p.email, "phone": p.phone,
                                                              "address": p.address, "ip": p.ip}}, ensure_ascii=False),
    "escaped json": lambda p: json.dumps({"fullName": p.name, "mobile": p.phone, "homeAddress": p.address,
                                          "emailAddress": p.email, "lastIp": p.ip}),
    "pretty json": lambda p: json.dumps([{"first_name": p.name.split(" ")[0], "last_name": p.name.split(" ")[-1],
                                          "email": p.email, "phone_number": p.phone, "street_address": p.address,
                                          "ip_address": p.ip}], indent=2, ensure_ascii=False),
    "json in json": lambda p: json.dumps({"type": "text", "text": json.dumps({"contact": {
        "name": p.name, "tel": p.phone, "address": p.address, "email": p.email}})}),
    "python": lambda p: repr({"patient_name": p.name, "phone": p.phone, "address": p.address, "email": p.email}),
    "yaml": lambda p: f"user:\n  name: {p.name}\n  email: {p.email}\n  phone: \"{p.phone}\"\n  address: {p.address}\n",
    "lines": lambda p: f"Name: {p.name}\nPhone: {p.phone}\nE-mail: {p.email}\nAddress: {p.address}\n",
    "form": lambda p: f"Full name:    {p.name}\nDate:  2026-01-05\nHome address: {p.address}\nMobile no.:  "
    f" {p.phone}\n"
                      f"Email:        {p.email}\n",
    "german": lambda p: f"Name: {p.name}\nAnschrift: {p.address}\nTelefon: {p.phone}\nE-Mail: {p.email}\n",
    "french": lambda p: f"Nom complet : {p.name}\nAdresse : {p.address}\nTéléphone : {p.phone}\nCourriel :"
    f" {p.email}\n",
    "spanish": lambda p: f"Nombre completo: {p.name}\nDirección: {p.address}\nTeléfono: {p.phone}\nCorreo:"
    f" {p.email}\n",
    "italian": lambda p: f"Nome e cognome: {p.name}\nIndirizzo: {p.address}\nCellulare: {p.phone}\nEmail: {p.email}\n",
    "polish": lambda p: f"Imię i nazwisko: {p.name}\nAdres: {p.address}\nTelefon: {p.phone}\nE-mail: {p.email}\n",
    "portuguese": lambda p: f"Nome completo: {p.name}\nEndereço: {p.address}\nCelular: {p.phone}\nE-mail: {p.email}\n",
    "dutch": lambda p: f"Volledige naam: {p.name}\nAdres: {p.address}\nTelefoonnummer: {p.phone}\nE-mail: {p.email}\n",
    "csv": lambda p: _csv(p, ","),
    "semicolons": lambda p: _csv(p, ";"),
    "tabs": lambda p: f"id\tname\temail\tphone\taddress\n1\t{p.name}\t{p.email}\t{p.phone}\t{p.address}\n",
    "markdown": lambda p: f"| Name | Email | Phone | Address |\n|---|---|---|---|\n"
                          f"| {p.name} | {p.email} | {p.phone} | {p.address} |\n",
    "xml": lambda p: f"<customer><name>{escape(p.name, False)}</name><email>{p.email}</email><phone>{p.phone}</phone>"
                     f"<address>{p.address}</address></customer>",
    "log": lambda p: f'level=info user_name="x1" full_name="{p.name}" email={p.email} phone="{p.phone}"'
                     f' address="{p.address}" ip={p.ip}\n',
    "query": lambda p: urlencode({"full_name": p.name, "email": p.email}) + f"&ip={p.ip}",
    "sql": lambda p: f"INSERT INTO customers (id, name, email, phone, address) VALUES (1,"
    f" '{p.name.replace(chr(39), chr(39) * 2)}',"
                     f" '{p.email}', '{p.phone}', '{p.address}');",
    "vcard": lambda p: f"BEGIN:VCARD\r\nVERSION:4.0\r\nFN:{p.name}\r\nTEL;TYPE=cell:{p.phone}\r\nEMAIL:{p.email}\r\n"
                       f"END:VCARD\r\n",
    "mail": lambda p: f"From: {p.name} <{p.email}>\nTo: office@shop.example\nSubject:"
    f" Moving\n\nHello,\n\nplease note my new"
                      f" address: {p.address}\n\nKind regards,\n{p.name}\n{p.phone}\n",
    "note": lambda p: f"Ticket 4711: customer {p.name}, born 1984-03-17, phone {p.phone}, lives at"
    f" {p.address}. Wants a refund.",
    "html table": lambda p: f"<table><tr><th>Name</th><td>{escape(p.name, False)}</td></tr>"
    f"<tr><th>Phone</th><td>{p.phone}</td></tr>"
                            f"<tr><th>Address</th><td>{p.address}</td></tr></table>",
}  # fmt: skip


def _csv(p: Person, delimiter: str) -> str:
    out = io.StringIO()
    writer = csv.writer(out, delimiter=delimiter)
    writer.writerow(["id", "name", "email", "phone", "address", "ip"])
    writer.writerow([1, p.name, p.email, p.phone, p.address, p.ip])
    writer.writerow([2, p.name, p.email, p.phone, p.address, p.ip])
    return out.getvalue()
