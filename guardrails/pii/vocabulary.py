"""What people and programs call personal data, in many languages: the names of fields, and the words beside values.

A space in a phrase stands for a space, an underscore, a hyphen, a dot or nothing, and an accent may be missing.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

from guardrails.language.words import word_set
from guardrails.pii.given_names import fold


def _phrases(written: str) -> tuple[str, ...]:
    return tuple(phrase for each in written.split(",") if (phrase := " ".join(each.split())))


# Names of fields, by what their values are. GIVEN is a part of a name, NAME a name that may be of anything, ROLE a
# person's part in something; POSTCODE and CITY count with an address or a person beside them.
FIELDS: Mapping[str, tuple[str, ...]] = {
    "GIVEN": _phrases(
        r"""
        first name, firstname, forename, given names?, middle name, last name, lastname, surname, family name,
        maiden name, birth name, legal name, fname, lname, vorname, nachname, zuname, familienname, geburtsname,
        rufname, prénom, nom de famille, nom d'usage, nom de naissance, apellidos?, primer apellido,
        segundo apellido, cognome, sobrenome, apelido, primeiro nome, último nome, nome próprio, voornaam,
        achternaam, tussenvoegsel, imię, imie, nazwisko, förnamn, efternamn, fornavn, etternavn, efternavn,
        mellemnavn, etunimi, sukunimi, jméno, příjmení, priezvisko, keresztnév, vezetéknév, prenume,
        nume de familie, ad soyad, soyadı, soyad,
        имя, фамилия, отчество, όνομα, επώνυμο, 姓名, 氏名, 名前, お名前, フリガナ, 姓,
        名字, 성명, 이름, نام, الاسم, नाम
        """
    ),
    "FULL": _phrases(
        r"""
        full name, complete name, real name, person name, customer name, client name, patient name, employee name,
        contact name, contact person, recipient name, sender name, account holder, account holder name,
        account name holder, card holder, card holder name, cardholder, name on card, holder name, billing name,
        shipping name, beneficiary, beneficiary name, payee, payee name, guest name, passenger name, student name,
        teacher name, doctor name, applicant name, candidate name, member name, buyer name, seller name,
        driver name, insured, policy holder, policyholder, next of kin, emergency contact, mother'?s maiden name,
        spouse name, parent name, child name, mother'?s? name, father'?s? name, owner name, tenant name, signed by,
        attn, attention, vor- und nachname, vollständiger name, ansprechpartner(?:in)?, kontoinhaber(?:in)?,
        karteninhaber(?:in)?, kundenname, empfänger(?:in)?, inhaber(?:in)?, versicherungsnehmer(?:in)?, nom complet,
        nom et prénom, nom prénom, titulaire, destinataire, nombre completo, nombre y apellidos, titular,
        destinatario, beneficiario, nome completo, nome e cognome, intestatario, nome do cliente, nome cliente,
        beneficiário, destinatário, volledige naam, rekeninghouder, ontvanger, contactpersoon, imię i nazwisko,
        imie i nazwisko, odbiorca, fullständigt namn, fullt navn, kontaktperson, ф\.?и\.?о\.?, полное имя
        """
    ),
    "NAME": _phrases(
        r"""
        display name, nick name, preferred name, name, nombre, nome, nom, naam, navn, namn, nimi, nazwa, név, nume,
        jmeno
        """
    ),
    "ROLE": _phrases(
        r"""
        customer, client, patient, employee, contact, assignee, reporter, requester, recipient, sender, buyer,
        seller, guest, passenger, doctor, physician, lawyer, attorney, tenant, landlord, student, teacher,
        applicant, candidate, payer, attendee, organizer, organiser, spouse, witness, defendant, plaintiff,
        supervisor, manager, account manager, sales rep, primary contact, person, caller, subscriber, donor,
        resident, nurse, kunde, kundin, patientin, mitarbeiter(?:in)?, absender(?:in)?, mieter(?:in)?,
        sachbearbeiter(?:in)?, cliente, paciente, empleado, remitente, paziente, dipendente, mittente, funcionário,
        remetente, klant, patiënt, medewerker, afzender, klient(?:ka)?, pacjent(?:ka)?, pracownik, nadawca, kund,
        asiakas, klientas, клиент, пациент, 顧客, 患者, 客户, 고객
        """
    ),
    "EMAIL": _phrases(
        r"""
        e ?mail, e mail address, mail address, e-mail-adresse, courriel, adresse e-?mail,
        correo(?: electr[oó]nico)?, posta elettronica, correio eletr[oô]nico, adres e-?mail, メール, 邮箱, 이메일
        """
    ),
    "PHONE": _phrases(
        r"""
        phone, phone number, phone no, phones, telephone, telephone number, tel, tel no, mobile, mobile number,
        mobile no, mobile phone, cell, cell phone, cellphone, cell number, landline, home phone, work phone,
        contact number, contact no, fax, fax number, whatsapp, msisdn, phonenumber, telefon, telefonnummer,
        telefonnr, mobil, mobiltelefon, mobilnummer, handy, handynummer, rufnummer, festnetz, durchwahl, téléphone,
        numéro de téléphone, portable, tél, teléfono, teléfono móvil, telefono, móvil, celular, número de teléfono,
        cellulare, numero di telefono, recapito telefonico, telefone, telemóvel, número de telefone, telefoon,
        telefoonnummer, mobiel, gsm, numer telefonu, nr telefonu, komórka, tel kom, telefonní číslo, mobilnr, tlf,
        tlf nr, puhelin, puhelinnumero, matkapuhelin, telefonszám, număr de telefon, cep telefonu, телефон,
        мобильный, номер телефона, τηλέφωνο, 電話,
        電話番号, 携帯, 电话, 手机, 手机号, 전화번호, 전화, 휴대폰, फ़ोन, फोन, मोबाइल, هاتف, جوال
        """
    ),
    "CREDIT_CARD": _phrases(
        r"""
        credit card, credit card number, credit card no, card number, card no, card num, card, cc, cc number,
        cc num, ccn, debit card, debit card number, payment card, pan, cardnumber, kreditkarte, kreditkartennummer,
        kartennummer, carte bancaire, carte de crédit, numéro de carte, tarjeta, tarjeta de crédito,
        número de tarjeta, carta di credito, numero carta, numero di carta, cartão, cartão de crédito,
        número do cartão, creditcard, creditcardnummer, kaartnummer, karta kredytowa, numer karty, nr karty, visa,
        mastercard, amex, american express, номер карты, クレジットカード, 信用卡, 신용카드
        """
    ),
    "IBAN": _phrases(
        r"""
        iban, iban number, iban code
        """
    ),
    "BANK_ACCOUNT": _phrases(
        r"""
        bank account, bank account number, account number, account no, acct, acct no, acct number, routing number,
        aba routing number, aba, sort code, bsb, ifsc, clabe, kontonummer, kontonr, konto nr, bankleitzahl,
        numéro de compte, número de cuenta, cuenta bancaria, numero di conto, numero conto, conto corrente,
        número da conta, conta bancária, rekeningnummer, numer konta, nr konta, numer rachunku, nr rachunku,
        rachunek, номер счета, 口座番号, 银行账号, 계좌번호
        """
    ),
    "SSN": _phrases(
        r"""
        ssn, social security, social security number, social security no, social sec, ss number, soc sec, us ssn,
        ssn number, ssn no, socialsecuritynumber
        """
    ),
    "NATIONAL_ID": _phrases(
        r"""
        national id, national id number, national identification number, national insurance number,
        national insurance, nino, ni number, nhs number, nhs no, identity number, identity card number,
        identity card, id card, id card number, citizen id, citizenship number, personal id,
        personal identification number, personal number, medicare number, medicare, sin, social insurance number,
        resident id, resident registration number, itin, aadhaar, aadhar, aadhaar number, uidai, nric, fin number,
        mykad, hkid, voter id, personalausweis, personalausweisnummer, ausweisnummer, sozialversicherungsnummer,
        sozialversicherungsnr, svnr, sv-nummer, rentenversicherungsnummer, ahv-nummer, ahv, ahvn13,
        numéro de sécurité sociale, sécurité sociale, nir, insee, numéro national, registre national,
        carte d'identité, cni, dni, nie, dni/nie, nif/nie, documento de identidad, cédula, cédula de identidad,
        curp, rut, run, cuil, codice fiscale, carta d'identità, cpf, rg, cartão de cidadão, bsn,
        burgerservicenummer, sofinummer, rijksregisternummer, pesel, dowód osobisty, nr dowodu, numer dowodu,
        personnummer, samordningsnummer, fødselsnummer, fodselsnummer, cpr, cpr nummer, cpr nr, cpr number,
        henkilötunnus, hetu, kennitala, rodné číslo, rodne cislo, cnp, egn, oib, jmbg, emšo, isikukood,
        asmens kodas, personas kods, amka, tc kimlik, tc kimlik no, tckn, teudat zehut, ppsn, pps number, my number,
        mynumber, マイナンバー, 身份证, 身份证号, 身份證, 身份证号码, 주민등록번호, снилс, आधार
        """
    ),
    "TAX_ID": _phrases(
        r"""
        tax id, tax identification number, tax number, tax no, taxpayer id, tin, ein, tfn, tax file number, utr,
        steuer-?id, steuernummer, steuer-?identifikationsnummer, steueridentnummer, idnr, numéro fiscal, spi, nif,
        cif, rfc, cuit, partita iva, p\.? ?iva, contribuinte, cnpj, nip, btw-nummer, vat number, vat no, vat id,
        vat, ust-?id(?:nr)?, pan number, pan card, gstin, инн
        """
    ),
    "PASSPORT": _phrases(
        r"""
        passport, passport number, passport no, passport num, passport id, reisepass, reisepassnummer, passnummer,
        passeport, numéro de passeport, pasaporte, número de pasaporte, passaporto, numero passaporto, passaporte,
        paspoort, paspoortnummer, paszport, numer paszportu, nr paszportu, passinumero, паспорт,
        パスポート, 护照, 护照号,
        여권번호
        """
    ),
    "DRIVER_LICENCE": _phrases(
        r"""
        driver'?s? licen[cs]e, driver'?s? licen[cs]e number, driver'?s? licen[cs]e no, driving licen[cs]e,
        driving licen[cs]e number, dl number, dl no, licen[cs]e plate, führerschein, führerscheinnummer,
        permis de conduire, numéro de permis, licencia de conducir, carnet de conducir, patente di guida,
        numero patente, carta de condução, cnh, rijbewijs, rijbewijsnummer, prawo jazdy, körkort, førerkort,
        ajokortti
        """
    ),
    "DATE_OF_BIRTH": _phrases(
        r"""
        date of birth, birth date, birthdate, birthday, dob, d\.o\.b\.?, born, born on, birth day, geburtsdatum,
        geboren am, geboren, geb\.? ?datum, geburtstag, date de naissance, né le, née le, fecha de nacimiento,
        fecha nacimiento, f\. nacimiento, nacido el, nacida el, data di nascita, nato il, nata il,
        data de nascimento, data nascimento, nascido em, nascida em, geboortedatum, geboren op, data urodzenia,
        ur\., urodzony, urodzona, födelsedatum, född, fødselsdato, født, syntymäaika, syntynyt, datum narození,
        születési dátum, data nașterii, doğum tarihi, дата рождения, родился, родилась,
        生年月日, 出生日期, 생년월일, जन्म तिथि
        """
    ),
    "ADDRESS": _phrases(
        r"""
        address, addr, street address, street, street name, address line, home address, postal address,
        mailing address, billing address, shipping address, delivery address, residential address, work address,
        full address, current address, permanent address, residence, domicile, adresse, anschrift, wohnort, straße,
        strasse, hausanschrift, lieferadresse, rechnungsadresse, wohnadresse, postanschrift, adresse postale,
        adresse de livraison, adresse de facturation, rue, dirección, direccion, domicilio, calle,
        dirección de envío, indirizzo, residenza, via, indirizzo di spedizione, endereço, endereco, morada,
        logradouro, rua, adres, woonadres, straat, postadres, adres zamieszkania, ulica, adress, gatuadress,
        postadress, gateadresse, bopæl, osoite, katuosoite, lakcím, cím, adresă, adresi, bydliště, адрес, улица,
        διεύθυνση, 住所, 地址, 주소, पता, العنوان
        """
    ),
    "POSTCODE": _phrases(
        r"""
        zip, zip code, zipcode, postal code, postcode, post code, plz, postleitzahl, code postal, código postal,
        codigo postal, cap, cep, kod pocztowy, postnummer, postinumero, psč, pin code, pincode, индекс, 郵便番号, 邮编,
        우편번호
        """
    ),
    "CITY": _phrases(
        r"""
        city, town, ort, stadt, ville, ciudad, citt[aà], cidade, woonplaats, plaats, miasto, miejscowość
        """
    ),
    "IP_ADDRESS": _phrases(
        r"""
        ip, ip addr, ip address, ipv4, ipv6, client ip, remote ip, remote addr, source ip, ip-adresse, adresse ip,
        user ip, x forwarded for, x real ip, login ip
        """
    ),
    "MAC_ADDRESS": _phrases(
        r"""
        mac, mac address, mac addr, hw addr, hwaddr, ether
        """
    ),
    "USERNAME": _phrases(
        r"""
        username, user name, login name, user login, screen name, user handle, benutzername, nom d'utilisateur,
        nombre de usuario, nome utente, nome de usuário, gebruikersnaam, nazwa użytkownika
        """
    ),
    "COORDINATES": _phrases(
        r"""
        lat, latitude, lon, lng, long, longitude, coordinates, gps, gps coordinates, geo, location, latlng, lat lng,
        koordinaten, coordonnées, coordenadas, coordinate
        """
    ),
}

# What stands before `name` when it is a person's.
PERSONAL = word_set(
    "customer client patient employee contact person user recipient sender buyer seller guest passenger"
    " student teacher"
    " doctor applicant candidate member driver owner tenant insured holder cardholder beneficiary payee payer spouse"
    " parent mother father child emergency billing shipping delivery legal preferred real full complete maiden"
    " manager"
    " staff worker agent attendee participant visitor caller subscriber donor resident debtor creditor kunden"
    " mitarbeiter"
    " patienten requester reporter assignee approver supervisor lead host profile account accountholder"
    " account_holder signer signatory witness organizer organiser guardian carer tutor invitee borrower"
    " first last middle given family sur nick"
)
# Objects of these names hold a person.
PERSON_OBJECTS = word_set(
    "customer customers client clients patient patients employee employees contact contacts person persons"
    " people user"
    " users recipient recipients sender buyer buyers seller guest guests passenger passengers student students"
    " teacher"
    " applicant applicants candidate candidates member members driver drivers tenant tenants cardholder"
    " beneficiary payee"
    " payer spouse parent parents child children billing shipping billingaddress shippingaddress billingdetails"
    " attendee attendees participant participants visitor caller subscriber subscribers donor resident residents lead"
    " leads profile profiles holder accountholder emergencycontact assignee reporter requester manager staff"
    " debtor kunde"
    " kunden cliente clientes patienten mitarbeiter persona personas pessoa pessoas personne personnes klant klanten"
    " klient klienci doctor doctors nurse insured policyholder identity personaldata personalinfo personalinformation"
    " borrower witness signatory signer signers organizer organiser organizers tutor carer guardian invitee invitees"
)
# Public credits: who wrote, keeps or publishes something has signed it.
CREDITS = word_set(
    "author authors maintainer maintainers contributor contributors publisher committer creator creators npmuser"
    " _npmuser license licenses repository bugs funding credits copyright owner owners package packages dependencies"
    " scripts engines"
)
# An object with one of these beside its name holds a thing.
OF_THINGS = word_set(
    "version license licence dependencies scripts main homepage repository keywords description type sha integrity"
    " resolved path url inputschema parameters package module"
)


def normalise(phrase: str) -> str:
    """The form in which phrases are compared: letters and digits, folded."""
    folded = fold(phrase)
    if folded.isalnum():
        return folded
    return "".join(each for each in folded if each.isalnum() or ord(each) > 0x2FF)


@lru_cache(maxsize=1)
def phrases() -> dict[str, str]:
    """What each phrase, normalised, says of its value. Optional parts of the phrases are spelled out."""
    found: dict[str, str] = {}
    for category, all_of in FIELDS.items():
        for phrase in all_of:
            for variant in _variants(phrase):
                found.setdefault(normalise(variant), category)
    return found


def _variants(phrase: str) -> list[str]:
    """Without the optional parts `(?:...)?`, `x?` and `[ab]`, each way."""
    start = phrase.find("(?:")
    if start >= 0:
        end = phrase.index(")", start)
        inner, tail = phrase[start + 3 : end], phrase[end + 1 :]
        optional = tail.startswith("?")
        tail = tail[1:] if optional else tail
        return [
            each for choice in ([inner, ""] if optional else inner.split("|"))
            for each in _variants(phrase[:start] + choice + tail)
        ]  # fmt: skip
    start = phrase.find("[")
    if start >= 0:
        end = phrase.index("]", start)
        return [
            each
            for letter in phrase[start + 1 : end]
            for each in _variants(phrase[:start] + letter + phrase[end + 1 :])
        ]
    place = phrase.find("?")
    if place >= 0:
        return _variants(phrase[: place - 1] + phrase[place + 1 :]) + _variants(phrase[:place] + phrase[place + 1 :])
    return [phrase.replace("\\", "")]


def expression(all_of: tuple[str, ...]) -> str:
    """One alternation of the phrases, longest first, accents and separators optional."""
    written = sorted((_spell(phrase) for phrase in all_of), key=len, reverse=True)
    return "(?:" + "|".join(written) + ")"


def _spell(phrase: str) -> str:
    out: list[str] = []
    for place, each in enumerate(phrase):
        if each == " " and phrase[place + 1 : place + 2] != "?":
            out.append(r"[ _.\-]?")
        elif each == " ":
            out.append(r"[ _\-]")
        elif each == "-" and phrase[place + 1 : place + 2] != "?":
            out.append(r"[ _.\-]?")
        elif each == "'":
            out.append(r"['\x{2019}]")
        elif not each.isascii() and len(fold(each)) == 1 and fold(each) != each and fold(each).isascii():
            out.append(f"[{each}{fold(each)}]")
        else:
            out.append(each)
    return "".join(out)
